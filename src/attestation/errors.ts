import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const ATTESTATION_ERRORS = {
  ATTESTOR_UNKNOWN: 'This server has no attestor of this name.',
  EVIDENCE_INVALID: 'The evidence does not have the members that this attestor reads.',
  JOIN_TOKEN_UNKNOWN: 'This join token does not exist or has been deleted. Ask an operator for a new one.',
  JOIN_TOKEN_EXPIRED: 'This join token has expired. Ask an operator for a new one.',
  JOIN_TOKEN_USED: 'This join token has been used. Each is good for one enrollment.',
  JOIN_TOKEN_OTHER_AGENT: 'This join token was made for another agent than the request names.',
  JOIN_TOKEN_LIFETIME: 'A join token lives from 1 minute to 24 hours.',
  JOIN_TOKEN_AGENT_HAS_SELECTORS:
    'This agent has selectors, which no join token can show. Let it attest with evidence that does.',
  JOIN_TOKEN_PIN_MISSING: 'There is no authority whose key a join token could carry. Create one first.',
} as const satisfies ErrorTable

export const attestationError = errorsOf(ATTESTATION_ERRORS)
