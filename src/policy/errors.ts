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

export type PolicyCode = keyof typeof POLICY_ERRORS

export const policyError = errorsOf(POLICY_ERRORS)
