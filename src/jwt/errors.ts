import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const JWT_ERRORS = {
  JWT_TOO_LARGE: 'The token is larger than is accepted.',
  JWT_MALFORMED: 'The token is not a JWS in compact form.',
  JWT_JSON_INVALID: 'The header or the claims of the token are not a strict JSON object.',
  JWT_HEADER_NOT_ALLOWED: 'The token has a header parameter that its kind does not allow.',
  JWT_HEADER_INVALID: 'A header parameter of the token is malformed.',
  JWT_ALGORITHM_NOT_ALLOWED: 'The token is signed with an algorithm that its kind does not allow.',
  JWT_TYPE_WRONG: 'The token is of another kind than is accepted here.',
  JWT_KEY_ID_MISSING: 'The token does not name the key that signed it.',
  JWT_KEY_UNKNOWN: 'The token names a key that is not trusted for its kind.',
  JWT_SIGNATURE_INVALID: 'The signature of the token is not valid.',
  JWT_CLAIM_MISSING: 'The token lacks a claim that its kind requires.',
  JWT_CLAIM_INVALID: 'A claim of the token is malformed.',
  JWT_CLAIM_NOT_ALLOWED: 'The token has a claim that its kind does not allow.',
  JWT_EXPIRED: 'The token has expired.',
  JWT_NOT_YET_VALID: 'The token is not valid yet.',
  JWT_ISSUER_WRONG: 'The token comes from another issuer than is accepted here.',
  JWT_AUDIENCE_WRONG: 'The token is meant for another audience.',
  JWT_SUBJECT_WRONG: 'The subject of the token is not of the kind that is accepted here.',
  JWT_TRUST_DOMAIN_UNKNOWN: 'The token belongs to a trust domain that is not trusted.',
  JWT_SKEW_OUT_OF_RANGE: 'The clock tolerance is more than 60 seconds.',
  JWT_KEY_UNSUPPORTED: 'The key is of a kind or size that is not supported.',
  JWT_SIGNATURE_FORM: 'The signature does not have the form that its algorithm requires.',
  JWKS_MALFORMED: 'The document is not a JSON Web Key Set.',
  JWKS_DUPLICATE_KID: 'Two keys of the set have the same key ID.',
} as const satisfies ErrorTable

export const jwtError = errorsOf(JWT_ERRORS)
