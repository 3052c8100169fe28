import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const SPIFFE_ERRORS = {
  TRUST_DOMAIN_EMPTY: 'The trust domain name is missing.',
  TRUST_DOMAIN_CHARACTER: 'A trust domain name holds only lower-case letters, digits, dots, dashes and underscores.',
  TRUST_DOMAIN_TOO_LONG: 'A trust domain name has at most 255 bytes.',
  SPIFFE_ID_SCHEME: 'A SPIFFE ID begins with spiffe:// in lower case.',
  SPIFFE_ID_PATH_CHARACTER: 'A path segment holds only letters, digits, dots, dashes and underscores.',
  SPIFFE_ID_EMPTY_SEGMENT: 'The path of a SPIFFE ID has no empty segment.',
  SPIFFE_ID_DOT_SEGMENT: 'The path of a SPIFFE ID has no segment that is one or two dots.',
  SPIFFE_ID_TRAILING_SLASH: 'The path of a SPIFFE ID does not end with a slash.',
  SPIFFE_ID_TOO_LONG: 'A SPIFFE ID has at most 2048 bytes.',
} as const satisfies ErrorTable

export const spiffeError = errorsOf(SPIFFE_ERRORS)
