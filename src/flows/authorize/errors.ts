import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

/** Why a request that a proxy asks about is not let in. The first three are the proxy's or its registration's fault. */
export const AUTHZ_ERRORS = {
  AUTHZ_PROXY_NOT_REGISTERED: 'The caller is not registered as the proxy of a resource, or shows no certificate.',
  AUTHZ_PROXY_AMBIGUOUS: 'The caller is registered as the proxy of several resources; it can speak for one only.',
  AUTHZ_URL_MISSING:
    'The proxy did not say which request it asks about, or nobody has registered where clients reach it.',
  AUTHZ_TOKEN_MISSING: 'Present a task token for this resource.',
  AUTHZ_TOKEN_INVALID: 'The task token is not valid here.',
  AUTHZ_TOKEN_SCHEME_WRONG:
    'A token that is bound to a DPoP key is sent with the scheme DPoP, one that is bound to a certificate with Bearer.',
  AUTHZ_TOKEN_NOT_BOUND: 'The task token is bound to another key than was proved.',
  AUTHZ_TOKEN_INACTIVE: 'The task token is no longer active.',
  AUTHZ_CERTIFICATE_MISSING: 'Present a client certificate on the TLS connection.',
  AUTHZ_CERTIFICATE_INVALID: 'The client certificate is not a valid one of this trust domain.',
  AUTHZ_PROOF_INVALID: 'The DPoP proof is not a valid one for this request and token.',
  AUTHZ_PROOF_REPLAYED: 'The DPoP proof has been used already. Make a new one for each request.',
  AUTHZ_ACTION_NOT_ALLOWED: 'The task does not allow this action on this object.',
  AUTHZ_CONSTRAINT_UNKNOWN: 'The task is constrained in a way that a proxy cannot enforce.',
} as const satisfies ErrorTable

export const authzError = errorsOf(AUTHZ_ERRORS)
