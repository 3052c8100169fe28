/** RFC 6749 section 5.2, RFC 8707 section 2, RFC 9396 section 5, RFC 7009 section 2.2.1. */
export type OauthCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_token_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_authorization_details'
  | 'access_denied'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'temporarily_unavailable'
  | 'server_error'

/** How one code looks from outside: the HTTP status, what OAuth calls it, and when to come back. */
export interface Failure {
  readonly status: number
  /** Where it is left out, the status says it. */
  readonly oauth?: OauthCode
  /** Seconds. */
  readonly retryAfter?: number
}

export const UNAVAILABLE: Failure = { status: 503, retryAfter: 1 }
export const DENIED: Failure = { status: 403, oauth: 'access_denied' }

/** The same row for several codes. */
export function each<const Codes extends readonly string[]>(
  failure: Failure,
  codes: Codes,
): Record<Codes[number], Failure> {
  return Object.fromEntries(codes.map((code) => [code, failure])) as Record<Codes[number], Failure>
}
