import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const RECEIVER_ERRORS = {
  RECEIVER_OPTIONS_INVALID: 'The receiver is configured with a value that it cannot use.',
  RECEIVER_CERTIFICATE_MISSING: 'Present a client certificate on the TLS connection.',
  RECEIVER_CERTIFICATE_INVALID: 'The client certificate is not a valid X.509-SVID of the trust domain.',
  RECEIVER_CERTIFICATE_REVOKED: 'The client certificate has been taken back, or its agent is suspended.',
  RECEIVER_AUTHORIZATION_MALFORMED: 'Send exactly one Authorization header with the scheme Bearer or DPoP.',
  RECEIVER_TOKEN_MISSING: 'Present a task token for this audience.',
  RECEIVER_TOKEN_INVALID: 'The task token is not valid here.',
  RECEIVER_TOKEN_NOT_BOUND: 'The task token is bound to another key than was proved.',
  RECEIVER_TOKEN_SCHEME_WRONG:
    'A token that is bound to a DPoP key is sent with the scheme DPoP, one that is bound to a certificate with Bearer.',
  RECEIVER_DPOP_NOT_ACCEPTED: 'This service takes tokens over mTLS only.',
  RECEIVER_DPOP_PROOF_INVALID: 'The DPoP proof is not a valid one for this request and token.',
  RECEIVER_DPOP_PROOF_REPLAYED: 'The DPoP proof has been used already. Make a new one for each request.',
  RECEIVER_TOO_MANY_PROOFS: 'The service cannot remember any more proofs at the moment; try again later.',
  RECEIVER_KEY_CLASS_NOT_ALLOWED: 'This service asks for a token whose key is kept in another way.',
  RECEIVER_TOKEN_INACTIVE: 'The task token is no longer active.',
  RECEIVER_CALLER_NOT_ALLOWED: 'This service does not accept the caller.',
  RECEIVER_ACTION_NOT_ALLOWED: 'The task does not allow this action on this object.',
  RECEIVER_CONSTRAINT_UNKNOWN: 'The task is constrained in a way that this service cannot enforce.',
  RECEIVER_TRUST_MISSING: 'The service has no trust bundle yet; try again later.',
  RECEIVER_TRUST_STALE: 'The trust bundle of the service is too old; try again later.',
  RECEIVER_BUNDLE_ROLLBACK: 'The fetched trust bundle is older than the one that is held.',
  RECEIVER_CRL_ROLLBACK: 'A fetched CRL is older than the one that is held.',
  RECEIVER_TRUST_BEHIND: 'The trust bundle of the service is older than its server says that it should be.',
  RECEIVER_VIEW_MISSING: 'The service does not know yet what has been revoked; try again later.',
  RECEIVER_VIEW_STALE: 'What the service knows of revocations is too old; try again later.',
  RECEIVER_STATUS_UNKNOWN: 'The service cannot find out the status of the task token; try again later.',
  RECEIVER_FEED_MALFORMED: 'The feed says something that cannot be understood.',
  RECEIVER_FEED_DISORDERED: 'The positions of the feed go back.',
  RECEIVER_FEED_TOO_LARGE: 'The feed says more than the service can remember.',
  RECEIVER_FEED_SILENT: 'The feed has said nothing for too long.',
  RECEIVER_FEED_ENDED: 'The connection to the feed has ended.',
  RECEIVER_INTROSPECTION_FAILED: 'The service cannot find out whether the task token is still active; try again later.',
} as const satisfies ErrorTable

export type ReceiverErrorCode = keyof typeof RECEIVER_ERRORS

export const receiverError = errorsOf(RECEIVER_ERRORS)
