import { isWritError, type WritError } from '#kernel/errors.ts'
import { TOKEN_KINDS } from '#jwt/index.ts'
import type { OauthErrorBody, Problem } from '#wire/index.ts'
import { httpError } from './errors.ts'
import { failureOf, oauthStatusOf, type Failure } from './failures.ts'
import type { Answer } from './route.ts'

export type ErrorStyle = 'problem' | 'oauth' | 'bearer'

/** What of a request decides how its failure is written. */
export interface FailureContext {
  readonly style: ErrorStyle
  readonly requestId: string
  readonly realm: string
  /** The scheme of the Authorization header, where the client sent one. */
  readonly scheme: string | null
}

/** Everything that is thrown becomes one of our errors; what is not ours says nothing about itself. */
export function typedError(error: unknown): WritError {
  return isWritError(error) ? error : httpError('INTERNAL_ERROR', { cause: error })
}

/** RFC 9457, or RFC 6749 section 5.2 on the endpoints of OAuth. Only the fixed sentence and the member leave. */
export function renderFailure(error: WritError, context: FailureContext): Answer {
  const failure = failureOf(error.code)
  const shown = failure === null ? httpError('INTERNAL_ERROR') : error
  const row = failure ?? failureOf('INTERNAL_ERROR') ?? { status: 500 }
  return ANSWERS[context.style](shown, row, context)
}

function problemAnswer(error: WritError, failure: Failure, context: FailureContext): Answer {
  const { code, sentence: title } = error
  const { status } = failure
  const body: Problem = {
    type: `urn:writ:error:${code}`,
    title,
    status,
    code,
    detail: title + memberOf(error),
    request_id: context.requestId,
  }
  const headers = { 'content-type': 'application/problem+json', ...headersOf(error, status, failure) }
  return { status, body, headers: status === 401 ? { ...headers, ...challenge('MutualTLS', context) } : headers }
}

function oauthAnswer(error: WritError, failure: Failure, context: FailureContext): Answer {
  const { status, oauth } = oauthStatusOf(failure)
  const body: OauthErrorBody = {
    error: oauth,
    error_description: quotable(error.sentence + memberOf(error)),
    error_code: error.code,
    request_id: context.requestId,
  }
  const headers = { 'content-type': 'application/json', pragma: 'no-cache', ...headersOf(error, status, failure) }
  const asked = status === 401 && context.scheme !== null
  return { status, body, headers: asked ? { ...headers, ...challenge(context.scheme, context) } : headers }
}

/** RFC 6750 section 3 and RFC 9449 section 7.1, for the sender of the request that a proxy asks about. */
function bearerAnswer(error: WritError, failure: Failure, context: FailureContext): Answer {
  const { status, bearer } = failure
  const body = {
    ...(bearer === undefined ? {} : { error: bearer }),
    error_description: quotable(error.sentence),
    error_code: error.code,
    request_id: context.requestId,
  }
  const headers = { 'content-type': 'application/json', ...headersOf(error, status, failure) }
  // What is wrong with the proxy itself concerns its own certificate.
  const isOfProxy = status === 401 && !error.code.startsWith('AUTHZ_')
  const challenges = isOfProxy ? challenge('MutualTLS', context) : bearerChallenges(error, failure, context)
  return { status, body, headers: { ...headers, ...challenges } }
}

function bearerChallenges(error: WritError, failure: Failure, { realm }: FailureContext): Record<string, string> {
  const { status, bearer } = failure
  if (status !== 401 && bearer === undefined) return {}
  const { scope } = error.details
  const parameters = [
    `realm="${realm}"`,
    ...(bearer === undefined ? [] : [`error="${bearer}"`, `error_description="${quotable(error.sentence)}"`]),
    ...(typeof scope === 'string' ? [`scope="${scope}"`] : []),
  ].join(', ')
  const dpop = `DPoP ${parameters}, algs="${DPOP_ALGORITHMS}"`
  return { 'www-authenticate': bearer === 'invalid_dpop_proof' ? dpop : `Bearer ${parameters}, ${dpop}` }
}

function quotable(text: string): string {
  return text.replaceAll(/["\\]/g, '')
}

const DPOP_ALGORITHMS = TOKEN_KINDS['dpop-proof'].algorithms.join(' ')

const ANSWERS = { problem: problemAnswer, oauth: oauthAnswer, bearer: bearerAnswer } as const

/** RFC 6749 section 5.2: the scheme that the client tried. */
function challenge(scheme: string | null, context: FailureContext): Record<string, string> {
  return { 'www-authenticate': `${scheme ?? 'MutualTLS'} realm="${context.realm}"` }
}

function headersOf(error: WritError, status: number, failure: Failure): Record<string, string> {
  const { retryAfter, allow, dpopNonce } = error.details
  const seconds = typeof retryAfter === 'number' ? Math.max(Math.ceil(retryAfter), 1) : failure.retryAfter
  return {
    ...(seconds === undefined ? {} : { 'retry-after': String(seconds) }),
    ...(typeof dpopNonce === 'string' ? { 'dpop-nonce': dpopNonce } : {}),
    ...(status === 405 && typeof allow === 'string' ? { allow } : {}),
  }
}

/** Only what the wire's own refusals say of a member; other details stay in the log. */
function memberOf(error: WritError): string {
  const { member } = error.details
  const isShown = typeof member === 'string' && member !== '' && /^[A-Za-z0-9_.?[\]-]{1,200}$/.test(member)
  return isShown ? ` See ${member}.` : ''
}
