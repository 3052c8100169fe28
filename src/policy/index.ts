export {
  approvalRules,
  checkDecision,
  checkUse,
  currentApproval,
  isApproved,
  partyOf,
  requestDigest,
  ruleText,
} from './approval.ts'
export type {
  ApprovalRule,
  ApprovalRules,
  ApprovalState,
  Approver,
  Command,
  CurrentApproval,
  MassRule,
  Use,
} from './approval.ts'
export type { Decision } from './decide.ts'
export { APPROVAL_ERRORS, approvalError, POLICY_ERRORS, policyError } from './errors.ts'
export type { PolicyCode } from './errors.ts'
export { replay } from './grant.ts'
export type { Grant } from './grant.ts'
export type { Purpose } from './input.ts'
export { permitIssuance, permitJwtSvid, permitTask, permitToken } from './permit.ts'
export type { Mandated, Registered } from './permit.ts'
export type { ApprovalDecision, ApprovalRecord } from './records.ts'
