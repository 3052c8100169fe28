import type { Bytes } from '#kernel/bytes.ts'
import { parseJson, type JsonObject, type JsonValue } from '#kernel/json.ts'
import { parsePublicJwk, type PublicJwk } from '#spiffe/index.ts'
import { isJwsAlgorithm } from './algorithms.ts'
import { jwtError } from './errors.ts'
import { isObject } from './json-shape.ts'
import { KeySet, VerificationKey } from './key-set.ts'

/** A JWK Set as it is published (RFC 7517 section 5). */
export interface JwkSet {
  readonly keys: readonly (PublicJwk & { readonly kid: string; readonly alg: string; readonly use: 'sig' })[]
}

export const JWKS_LIMITS = { maxBytes: 256 * 1024, maxDepth: 6 } as const
const MAX_KEYS = 100

/** Each key with the one algorithm that it signs with. */
export function encodeJwks(keys: readonly VerificationKey[]): JwkSet {
  return {
    keys: keys.flatMap(({ jwk, kid, algorithms }) =>
      algorithms.slice(0, 1).map((alg) => ({ ...jwk, kid, alg, use: 'sig' as const })),
    ),
  }
}

/**
 * Reads a JWK Set of one issuer. Keys of an unknown kind, of another use, without `kid` or for an unknown algorithm are
 * passed over (RFC 7517 section 5); a key that should be usable and is malformed refuses the set.
 * @throws JWKS_MALFORMED, JWKS_DUPLICATE_KID, JWK_*, JWT_KEY_UNSUPPORTED, and what parseJson throws
 */
export function decodeJwks(document: Bytes | string): KeySet {
  const root = parseJson(document, JWKS_LIMITS)
  const keys = isObject(root) ? root['keys'] : undefined
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) throw jwtError('JWKS_MALFORMED')
  return new KeySet((keys as readonly JsonValue[]).flatMap((key) => decodeKey(key) ?? []))
}

function decodeKey(jwk: JsonValue): VerificationKey | undefined {
  if (!isObject(jwk)) throw jwtError('JWKS_MALFORMED')
  const { kid, alg } = { kid: jwk['kid'], alg: jwk['alg'] }
  if (typeof kid !== 'string' || kid === '' || !mayVerify(jwk)) return undefined
  if (alg !== undefined && !isJwsAlgorithm(alg)) return undefined
  const key = parsePublicJwk(jwk)
  return key === undefined ? undefined : new VerificationKey(kid, key, alg)
}

function mayVerify(jwk: JsonObject): boolean {
  const operations = jwk['key_ops']
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) return false
  return jwk['use'] === undefined || jwk['use'] === 'sig'
}
