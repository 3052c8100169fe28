import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

/** What can be wrong with a foreign server that we ask, or with what it says. */
export const OUTBOUND_ERRORS = {
  OUTBOUND_URL_FORBIDDEN: 'Only https addresses without user name, password and fragment are fetched.',
  OUTBOUND_ADDRESS_FORBIDDEN: 'The name leads to an address of a private network, which is not allowed for it.',
  OUTBOUND_UNRESOLVED: 'The name of a foreign server could not be resolved.',
  OUTBOUND_UNREACHABLE: 'A foreign server could not be reached, or its certificate is not trusted.',
  OUTBOUND_REDIRECTED: 'A foreign server answered with a redirection, which is not followed.',
  OUTBOUND_REFUSED: 'A foreign server did not answer with status 200.',
  OUTBOUND_TOO_SLOW: 'A foreign server took too long to answer.',
  OUTBOUND_TOO_LARGE: 'The answer of a foreign server is larger than is accepted.',
  OUTBOUND_NOT_JSON: 'The answer of a foreign server is not strict JSON.',
  OUTBOUND_BUSY: 'Too many foreign servers are being asked at once. Try again.',
  ISSUER_UNKNOWN: 'No issuer of this name is configured.',
  ISSUER_DISCOVERY_INVALID: 'The discovery document of the issuer does not say where its keys are.',
  ISSUER_MISMATCH: 'The discovery document is that of another issuer.',
  ISSUER_KEYS_INVALID: 'The keys of the issuer cannot be read.',
} as const satisfies ErrorTable

export const outboundError = errorsOf(OUTBOUND_ERRORS)
