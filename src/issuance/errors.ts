import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const ISSUANCE_ERRORS = {
  REQUEST_ID_DIFFERS: 'The certificate request names another SPIFFE ID than the one granted.',
  REQUEST_KEY_FORBIDDEN: 'The key of the certificate request belongs to an authority; make a key of its own.',
  GRANT_MISMATCH: 'What is to be issued is not what was granted.',
  SIGNER_MISMATCH: 'This kind of authority does not sign this.',
  LIFETIME_TOO_SHORT: 'The authority ends too soon to issue under it.',
  LINT_FAILED: 'What was to be issued breaks a rule of its profile; nothing was issued.',
  PROFILE_INVALID: 'The issuance profile of this server is not valid.',
  PREPARED_USED: 'What was prepared has been signed already.',
  RECEIPT_MISMATCH: 'The receipt is not for what is to be signed.',
  SIGNATURE_INVALID: 'The signer returned a signature that does not verify; nothing was issued.',
  SIGNED_OTHER_BYTES: 'What was signed is not what was prepared; nothing was issued.',
  ISSUANCE_INTERRUPTED: 'The certificate was revoked or given up while it was being signed; nothing was issued.',
  ISSUANCE_IN_PROGRESS: 'The same request is being answered already; repeat it in a minute.',
  ISSUANCE_CUT_OFF: 'Nothing may be issued to this identity any more, or not yet again.',
  ISSUANCE_AGENT_CHANGED: 'The agent was changed, suspended or retired meanwhile; repeat the request.',
  ISSUANCE_INSTANCE_ENDED: 'The instance is revoked or superseded; enroll again.',
  ISSUANCE_AUTHORITY_CHANGED: 'The authority was changed meanwhile; repeat the request.',
  ISSUANCE_REPEATED: 'The same request has been answered already.',
  CERTIFICATE_STATE_CHANGED: 'The certificate is no longer in the state that was expected.',
  CLOCK_BEHIND_MARK:
    'The clock went back behind the time at which this server has issued already; nothing is issued until it has caught up or an operator accepts it.',
  CLOCK_DIFFERS: 'The clock of this server differs from that of the database; nothing is issued until they agree.',
  CLOCK_NOT_ACCEPTED: 'The receipt is not for accepting the clock of this server.',
} as const satisfies ErrorTable

export const issuanceError = errorsOf(ISSUANCE_ERRORS)
