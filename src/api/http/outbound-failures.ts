/** What is wrong with a foreign server that we had to ask: who brings a token from there has to know, and can only wait. */
export const OUTBOUND_CODES = [
  'OUTBOUND_URL_FORBIDDEN',
  'OUTBOUND_ADDRESS_FORBIDDEN',
  'OUTBOUND_UNRESOLVED',
  'OUTBOUND_UNREACHABLE',
  'OUTBOUND_REDIRECTED',
  'OUTBOUND_REFUSED',
  'OUTBOUND_TOO_SLOW',
  'OUTBOUND_TOO_LARGE',
  'OUTBOUND_NOT_JSON',
  'OUTBOUND_BUSY',
  'ISSUER_DISCOVERY_INVALID',
  'ISSUER_MISMATCH',
  'ISSUER_KEYS_INVALID',
] as const
