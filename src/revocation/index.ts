export { CertificateStanding, standingKeysOf, standingOf, type StandingFacts } from './certificate-standing.ts'
export { crlReasonOf } from './crl-reason.ts'
export { FOR_EVER, cutoffKey, isCutOff, liveCutoffGuard, pastEverything, raiseCutoff } from './cutoff.ts'
export type { Cut, CutoffChange, CutoffGuard } from './cutoff.ts'
export { credentialCutoffKeys, ownCutoffKeys, tokenCutoffKeys } from './cutoff-keys.ts'
export type { Credential, TokenGrounds } from './cutoff-keys.ts'
export { crlEntryOf, encodedEntry, isListable, isUpgrade, type Taken } from './crl-entry.ts'
export {
  cacheableFor,
  COMPLETE,
  CRL_VALIDITY,
  crlId,
  crlTimes,
  isCrlDue,
  isCrlOverdue,
  isStillToBegin,
  issuesCrls,
  isSpent,
  nextCrlNumber,
  LONGEST_LEAF,
  OVERLAP,
  type CrlFacts,
  type CrlTimes,
} from './crl-rules.ts'
export { PERSONAL_KINDS, revocationNotice } from './cutoff-notice.ts'
export type { CutoffNotice, RevocationNotice } from './cutoff-notice.ts'
export { REVOCATION_ERRORS, revocationError } from './errors.ts'
export { isDone, keptReason, REACH } from './handles.ts'
export type { RevocationHandle, RevocationReason } from './handles.ts'
export { CUTOFF_KINDS } from './records.ts'
export type { CrlEntryRecord, CrlRecord, CutoffKind, CutoffRecord, SsfSetRecord, SsfStreamRecord } from './records.ts'
export {
  advanceScope,
  coveredUntil,
  inForce,
  isEnding,
  requireServable,
  storedNumber,
  successorOf,
  type RootCrlFacts,
  type StoredCrl,
} from './root-crls.ts'
export { cutoffKeysOf, faultOf } from './standing.ts'
export type { Fault, Grounds, Holding } from './standing.ts'
export { prepareStatusAnswer, signStatusAnswer } from './status-answer.ts'
export type { SignedAnswer, StatusAnswer, StatusAnswerOrder } from './status-answer.ts'
export { subjectDigest } from './subject-digest.ts'
