import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

/** Why a request was denied. Each code is one rule; `details` carry the digests of policy and input. */
export const POLICY_ERRORS = {
  POLICY_UNDECIDABLE: 'The request could not be decided, and what cannot be decided is denied.',
  POLICY_AGENT_NOT_ACTIVE: 'The agent is suspended or retired. Ask its owner or an operator.',
  POLICY_KEY_CLASS: 'The registration of this agent does not allow keys of this class.',
  POLICY_ATTESTATION_AGE: 'The attestation of this instance is older than its registration allows. Enroll again.',
  POLICY_DNS_NAME: 'The registration of this agent does not hold this DNS name.',
  POLICY_SPIFFE_ID: 'The registration of this agent does not give this SPIFFE ID.',
  POLICY_LIFETIME: 'The registration of this agent does not allow so long a lifetime.',
  POLICY_AUDIENCE: 'The registration of this agent does not permit this audience.',
  POLICY_ACTION: 'The registration of this agent does not permit this action on this resource.',
  POLICY_DEPTH: 'The registration of this agent does not allow so deep a derivation.',
} as const satisfies ErrorTable

/** Why people's agreement is not there, or does not count. Each code is one rule. */
export const APPROVAL_ERRORS = {
  APPROVAL_UNKNOWN: 'There is no approval with this id. "writ approval list" shows those that there are.',
  APPROVAL_OWN_REQUEST: 'Whoever asks for something does not decide on it. All users of the admin socket count as one.',
  APPROVAL_NOT_LISTED: 'The configuration names who approves this, and the caller is not among them.',
  APPROVAL_GIVEN: 'This approver has decided on this request already; each decides once.',
  APPROVAL_EXPIRED: 'The approval has expired. Ask for what you want to do again.',
  APPROVAL_DENIED: 'An approver has said no. Ask them why; then ask again if it is still wanted.',
  APPROVAL_USED: 'The approval has been used, or was taken back at the same moment; it is good for one use.',
  APPROVAL_PENDING: 'Not enough approvers have agreed yet.',
  APPROVAL_DELAYED:
    'What was asked for by break-glass may be done once its delay is over, unless an approver denies it.',
  APPROVAL_MISMATCH: 'The approval is for another command. Repeat exactly the one that was asked for.',
  APPROVAL_NOT_YOURS: 'Only whoever asked for an approval may use it.',
  APPROVAL_CHANGED: 'Others decided on the same request at the same moment. Look at it and try again.',
  APPROVAL_REASON_REQUIRED: 'Break-glass needs a reason; it goes into the audit log.',
  APPROVAL_RULES_INVALID: 'The rules of approvals in the configuration can never be met.',
} as const satisfies ErrorTable

export const approvalError = errorsOf(APPROVAL_ERRORS)

export type PolicyCode = keyof typeof POLICY_ERRORS

export const policyError = errorsOf(POLICY_ERRORS)
