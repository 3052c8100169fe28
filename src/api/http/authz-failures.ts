const PROXY = { status: 403 } as const
const TOKEN = { status: 401, bearer: 'invalid_token' } as const
const PROOF = { status: 401, bearer: 'invalid_dpop_proof' } as const
const SCOPE = { status: 403, bearer: 'insufficient_scope' } as const

/**
 * Why a request is not let in, and what RFC 6750 section 3.1 calls it. Proxies hand on 401 and 403 alone: everything
 * that is refused is one of the two.
 */
export const AUTHZ_FAILURES = {
  AUTHZ_PROXY_NOT_REGISTERED: PROXY,
  AUTHZ_PROXY_AMBIGUOUS: PROXY,
  AUTHZ_FORWARDED_INVALID: PROXY,
  AUTHZ_TOKEN_MISSING: { status: 401 },
  AUTHZ_TOKEN_INVALID: TOKEN,
  AUTHZ_TOKEN_SCHEME_WRONG: TOKEN,
  AUTHZ_TOKEN_NOT_BOUND: TOKEN,
  AUTHZ_TOKEN_INACTIVE: TOKEN,
  AUTHZ_CERTIFICATE_MISSING: TOKEN,
  AUTHZ_CERTIFICATE_INVALID: TOKEN,
  AUTHZ_URL_MISSING: TOKEN,
  AUTHZ_PROOF_INVALID: PROOF,
  AUTHZ_PROOF_REPLAYED: PROOF,
  AUTHZ_ACTION_NOT_ALLOWED: SCOPE,
  AUTHZ_CONSTRAINT_UNKNOWN: SCOPE,
} as const
