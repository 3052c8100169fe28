import { isWritError } from '#kernel/errors.ts'
import { TOKEN_KINDS } from '#jwt/index.ts'
import { RECEIVER_ERRORS, type ReceiverErrorCode } from './errors.ts'

/** How a refusal is told over HTTP. */
export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** JSON. */
  readonly body: string
}

interface Answer {
  readonly status: 400 | 401 | 403 | 500 | 503
  /** RFC 6750 section 3.1; absent where the request carried no authentication, or where it is not at fault. */
  readonly error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope' | 'invalid_dpop_proof'
}

/** What a service says of itself in its challenges. */
export interface Challenge {
  /** Whether it takes DPoP. */
  readonly dpop: boolean
  /** RFC 9728 section 5.1. */
  readonly resourceMetadata: string | undefined
}

const PLAIN: Challenge = { dpop: false, resourceMetadata: undefined }

const INVALID_TOKEN: Answer = { status: 401, error: 'invalid_token' }
const INVALID_PROOF: Answer = { status: 401, error: 'invalid_dpop_proof' }
const LATER: Answer = { status: 503 }

/** RFC 6750 section 3.1 and RFC 8705 section 3, in one place. */
const ANSWERS: Readonly<Record<ReceiverErrorCode, Answer>> = {
  RECEIVER_OPTIONS_INVALID: { status: 500 },
  RECEIVER_CERTIFICATE_MISSING: INVALID_TOKEN,
  RECEIVER_CERTIFICATE_INVALID: INVALID_TOKEN,
  RECEIVER_CERTIFICATE_REVOKED: INVALID_TOKEN,
  RECEIVER_AUTHORIZATION_MALFORMED: { status: 400, error: 'invalid_request' },
  RECEIVER_TOKEN_MISSING: { status: 401 },
  RECEIVER_TOKEN_INVALID: INVALID_TOKEN,
  RECEIVER_TOKEN_NOT_BOUND: INVALID_TOKEN,
  RECEIVER_TOKEN_INACTIVE: INVALID_TOKEN,
  RECEIVER_TOKEN_SCHEME_WRONG: INVALID_TOKEN,
  RECEIVER_DPOP_NOT_ACCEPTED: INVALID_TOKEN,
  RECEIVER_DPOP_PROOF_INVALID: INVALID_PROOF,
  RECEIVER_DPOP_PROOF_REPLAYED: INVALID_PROOF,
  RECEIVER_TOO_MANY_PROOFS: LATER,
  RECEIVER_KEY_CLASS_NOT_ALLOWED: { status: 403, error: 'insufficient_scope' },
  RECEIVER_CALLER_NOT_ALLOWED: { status: 403, error: 'insufficient_scope' },
  RECEIVER_ACTION_NOT_ALLOWED: { status: 403, error: 'insufficient_scope' },
  RECEIVER_CONSTRAINT_UNKNOWN: { status: 403, error: 'insufficient_scope' },
  RECEIVER_TRUST_MISSING: LATER,
  RECEIVER_TRUST_STALE: LATER,
  RECEIVER_TRUST_BEHIND: LATER,
  RECEIVER_BUNDLE_ROLLBACK: LATER,
  RECEIVER_CRL_ROLLBACK: LATER,
  RECEIVER_VIEW_MISSING: LATER,
  RECEIVER_VIEW_STALE: LATER,
  RECEIVER_STATUS_UNKNOWN: LATER,
  RECEIVER_FEED_MALFORMED: LATER,
  RECEIVER_FEED_DISORDERED: LATER,
  RECEIVER_FEED_TOO_LARGE: LATER,
  RECEIVER_FEED_SILENT: LATER,
  RECEIVER_FEED_ENDED: LATER,
  RECEIVER_INTROSPECTION_FAILED: LATER,
}

const RETRY_AFTER_SECONDS = '5'

/**
 * The answer to a request that was refused with `error`. Anything that is not one of our codes is an error while
 * deciding, which denies too, and says nothing.
 */
export function refusalOf(error: unknown, actions: readonly string[] = [], about: Challenge = PLAIN): Refusal {
  if (!isReceiverError(error)) return { status: 500, headers: JSON_BODY, body: '{"error":"server_error"}' }
  const answer = ANSWERS[error.code]
  const body = {
    ...(answer.error === undefined ? {} : { error: answer.error }),
    error_description: error.sentence,
    error_code: error.code,
    ...(typeof error.details['reason'] === 'string' ? { reason: error.details['reason'] } : {}),
  }
  return {
    status: answer.status,
    headers: { ...JSON_BODY, ...challenge({ answer, sentence: error.sentence, actions }, about) },
    body: JSON.stringify(body),
  }
}

const JSON_BODY = { 'content-type': 'application/json', 'cache-control': 'no-store' } as const

function isReceiverError(error: unknown): error is Error & {
  code: ReceiverErrorCode
  sentence: string
  details: Readonly<Record<string, unknown>>
} {
  return isWritError(error) && Object.hasOwn(RECEIVER_ERRORS, error.code)
}

interface Told {
  readonly answer: Answer
  readonly sentence: string
  readonly actions: readonly string[]
}

/** RFC 9449 section 7.1: both schemes, where both are taken; what is wrong with a proof concerns DPoP only. */
function challenge(told: Told, about: Challenge): Readonly<Record<string, string>> {
  const { status, error } = told.answer
  if (status === 503) return { 'retry-after': RETRY_AFTER_SECONDS }
  if (status === 500) return {}
  const parameters = parametersOf(told, about)
  const bearer = error === 'invalid_dpop_proof' ? [] : [['Bearer', parameters.join(', ')]]
  const dpop = about.dpop || bearer.length === 0 ? [['DPoP', [...parameters, `algs="${ALGORITHMS}"`].join(', ')]] : []
  const schemes = [...bearer, ...dpop].map((parts) => parts.filter((part) => part !== '').join(' '))
  return { 'www-authenticate': schemes.join(', ') }
}

function parametersOf({ answer, sentence, actions }: Told, { resourceMetadata }: Challenge): readonly string[] {
  const { error } = answer
  return [
    ...(error === undefined ? [] : [`error="${error}"`, `error_description="${quotable(sentence)}"`]),
    ...(actions.length > 0 && error !== 'invalid_request' ? [`scope="${quotable(actions.join(' '))}"`] : []),
    ...(resourceMetadata === undefined ? [] : [`resource_metadata="${quotable(resourceMetadata)}"`]),
  ]
}

const ALGORITHMS = TOKEN_KINDS['dpop-proof'].algorithms.join(' ')

function quotable(text: string): string {
  return text.replace(/[^\u0020-\u0021\u0023-\u005b\u005d-\u007e]/g, '')
}
