import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const ATTESTATION_ERRORS = {
  ATTESTOR_UNKNOWN: 'This server has no attestor of this name.',
  EVIDENCE_INVALID: 'The evidence does not have the members that this attestor reads.',
  PROVIDER_UNKNOWN: 'This attestor has no provider of this name; where it has several, the request names one.',
  ENROLL_SESSION_UNKNOWN: 'This enroll session does not exist, or ended some time ago. Begin again.',
  ENROLL_SESSION_EXPIRED: 'This enroll session has expired. Begin again, and answer within a minute.',
  ENROLL_SESSION_USED: 'This enroll session has been answered. Each is good for one enrollment.',
  X509POP_CHAIN_TOO_LONG: 'Send the certificate and at most four intermediates.',
  X509POP_CERTIFICATE_TOO_LARGE: 'A certificate of the evidence is larger than is accepted.',
  X509POP_LEAF_IS_AUTHORITY: 'The certificate of an authority does not attest anyone. Send one that it has issued.',
  X509POP_LEAF_CANNOT_SIGN: 'The key usage of the certificate does not allow it to sign (digitalSignature).',
  X509POP_CERTIFICATE_EXPIRED: 'The certificate of the evidence, or one of its authorities, has expired.',
  X509POP_CHAIN_UNTRUSTED: 'No chain leads from the certificate of the evidence to a root of this provider.',
  X509POP_SIGNATURE_INVALID: 'The answer is not signed by the key of the certificate, for this session and request.',
  OIDC_ISSUER_UNKNOWN: 'No provider of this server has the issuer of this token.',
  OIDC_TOKEN_TOO_OLD: 'The token was issued longer ago than is accepted. Ask the issuer for a new one.',
  OIDC_WORKLOAD_UNKNOWN: 'The token lacks a claim that says which workload it is for.',
  EVIDENCE_USED: 'This evidence has been used. It is good for one enrollment; get new evidence.',
  WORKLOAD_CHANGED: 'The same workload enrolls several times at once. Try again.',
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
