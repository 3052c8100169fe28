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
  BUNDLE_MALFORMED: 'The document is not a SPIFFE bundle.',
  BUNDLE_TOO_MANY_KEYS: 'The SPIFFE bundle has more keys than are accepted.',
  BUNDLE_DUPLICATE_KID: 'Two keys of the SPIFFE bundle have the same key ID.',
  BUNDLE_MAP_MALFORMED: 'The document is not a SPIFFE bundle map.',
  JWK_MALFORMED: 'The JSON Web Key is malformed.',
  JWK_NOT_PUBLIC: 'The JSON Web Key holds private or symmetric key material.',
  JWK_SIZE: 'The RSA key has fewer than 2048 or more than 8192 bits, or an exponent that is not accepted.',
} as const satisfies ErrorTable

export const spiffeError = errorsOf(SPIFFE_ERRORS)
