import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const REVOCATION_ERRORS = {
  CUT_OFF: 'The credential, or what it rests on, was taken back.',
  ISSUANCE_PAUSED: 'Something that this rests on was taken back a moment ago. Ask again in two seconds.',
  CUTOFF_OUTDATED: 'A token was issued at the same moment. Try again.',
  REVOCATION_TARGET_UNKNOWN:
    'There is nothing of that kind with that value. Look it up with "writ agent list" or in the audit log.',
  REVOCATION_VALUE_INVALID: 'The value is not one that this kind of handle can have.',
  CRL_NOT_FOUND:
    'There is no CRL of that authority and shard. The certificate says where its own is: look for CRL distribution points.',
  CRL_CHANGED: 'Another replica has published a CRL of the same scope, or listed the same certificate, meanwhile.',
  ROOT_CRL_FOREIGN: 'The CRL is of no root of this trust domain. Import its root first.',
  ROOT_CRL_KEPT_BY_SERVER: 'The server has the key of this root, and signs its CRLs itself.',
  ROOT_CRL_SCOPE:
    'The CRL covers only a part of what its root signed, or names another place than the one where it would be served. Look at status_url, here and in the ceremony file.',
  ROOT_CRL_TIME: 'The CRL is of a time at which its root was not, or will not be, valid.',
  ROOT_CRL_OVER: 'The CRL has run out already. Import the ones that follow it.',
  ROOT_CRL_NUMBER:
    'There is another CRL of this root with the same number, or the number is too high. A ceremony numbers on from the last one: first_number.',
  ROOT_CRL_SUPERSEDED:
    'There is a CRL of this root with a higher number that is of the same time or earlier: this one would never be served.',
  REVOCATION_REASON_UNFIT: 'That reason does not fit what is to be revoked.',
  STATUS_LIST_UNKNOWN: 'There is no such status list, or every token that it was about has run out.',
  STATUS_UNPROVEN: 'The answer about a certificate does not follow from what was read of it; it was not signed.',
  STATUS_RESPONDER_ENDED: 'The certificate of the OCSP responder ends too soon to answer with.',
  STATUS_OVERLOADED: 'More OCSP answers are being signed than this server makes at once. Ask again in a moment.',
  STATUS_SIGNATURE_INVALID: 'The OCSP responder returned a signature that does not verify; nothing was answered.',
} as const satisfies ErrorTable

export const revocationError = errorsOf(REVOCATION_ERRORS)
