/** The nine algorithms of JWT-SVID section 2.1 and RFC 7518; whatever is not a row here is refused unread. */
export const JWS_ALGORITHMS = {
  ES256: { kty: 'EC', crv: 'P-256', hash: 'sha256', size: 32 },
  ES384: { kty: 'EC', crv: 'P-384', hash: 'sha384', size: 48 },
  ES512: { kty: 'EC', crv: 'P-521', hash: 'sha512', size: 66 },
  RS256: { kty: 'RSA', padding: 'pkcs1', hash: 'sha256' },
  RS384: { kty: 'RSA', padding: 'pkcs1', hash: 'sha384' },
  RS512: { kty: 'RSA', padding: 'pkcs1', hash: 'sha512' },
  PS256: { kty: 'RSA', padding: 'pss', hash: 'sha256' },
  PS384: { kty: 'RSA', padding: 'pss', hash: 'sha384' },
  PS512: { kty: 'RSA', padding: 'pss', hash: 'sha512' },
} as const

export type JwsAlgorithm = keyof typeof JWS_ALGORITHMS

export const JWS_ALGORITHM_NAMES = Object.keys(JWS_ALGORITHMS) as readonly JwsAlgorithm[]

export function isJwsAlgorithm(name: unknown): name is JwsAlgorithm {
  return typeof name === 'string' && Object.hasOwn(JWS_ALGORITHMS, name)
}
