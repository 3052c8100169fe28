import { isWritError } from '#kernel/errors.ts'
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
  readonly error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope'
}

const INVALID_TOKEN: Answer = { status: 401, error: 'invalid_token' }
const LATER: Answer = { status: 503 }

/** RFC 6750 section 3.1 and RFC 8705 section 3, in one place. */
const ANSWERS: Readonly<Record<ReceiverErrorCode, Answer>> = {
  RECEIVER_OPTIONS_INVALID: { status: 500 },
  RECEIVER_CERTIFICATE_MISSING: INVALID_TOKEN,
  RECEIVER_CERTIFICATE_INVALID: INVALID_TOKEN,
  RECEIVER_AUTHORIZATION_MALFORMED: { status: 400, error: 'invalid_request' },
  RECEIVER_TOKEN_MISSING: { status: 401 },
  RECEIVER_TOKEN_INVALID: INVALID_TOKEN,
  RECEIVER_TOKEN_NOT_BOUND: INVALID_TOKEN,
  RECEIVER_TOKEN_INACTIVE: INVALID_TOKEN,
  RECEIVER_CALLER_NOT_ALLOWED: { status: 403, error: 'insufficient_scope' },
  RECEIVER_ACTION_NOT_ALLOWED: { status: 403, error: 'insufficient_scope' },
  RECEIVER_CONSTRAINT_UNKNOWN: { status: 403, error: 'insufficient_scope' },
  RECEIVER_TRUST_MISSING: LATER,
  RECEIVER_TRUST_STALE: LATER,
  RECEIVER_BUNDLE_ROLLBACK: LATER,
  RECEIVER_INTROSPECTION_FAILED: LATER,
}

const RETRY_AFTER_SECONDS = '5'

/**
 * The answer to a request that was refused with `error`. Anything that is not one of our codes is an error while
 * deciding, which denies too, and says nothing.
 */
export function refusalOf(error: unknown, actions: readonly string[] = []): Refusal {
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
    headers: { ...JSON_BODY, ...challenge(answer, error.sentence, actions) },
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

function challenge(answer: Answer, sentence: string, actions: readonly string[]): Readonly<Record<string, string>> {
  if (answer.status === 503) return { 'retry-after': RETRY_AFTER_SECONDS }
  if (answer.status === 500) return {}
  const parameters =
    answer.error === undefined ? [] : [`error="${answer.error}"`, `error_description="${quotable(sentence)}"`]
  if (actions.length > 0 && answer.error !== 'invalid_request')
    parameters.push(`scope="${quotable(actions.join(' '))}"`)
  return { 'www-authenticate': ['Bearer', parameters.join(', ')].filter((part) => part !== '').join(' ') }
}

function quotable(text: string): string {
  return text.replace(/[^\u0020-\u0021\u0023-\u005b\u005d-\u007e]/g, '')
}
