import type { KeyObject } from 'node:crypto'
import type { Bytes } from '#kernel/bytes.ts'
import type { Bundle, PublicJwk, TokenAuthority } from '#spiffe/index.ts'
import { JWS_ALGORITHM_NAMES, JWS_ALGORITHMS, type JwsAlgorithm } from './algorithms.ts'
import { jwtError } from './errors.ts'
import { importJwk, jwkFromSpki } from './jwk.ts'

/** A public key with the algorithms that it may be used with: the one it declares, or all that fit its kind. */
export class VerificationKey {
  readonly kid: string
  readonly jwk: PublicJwk
  readonly algorithms: readonly JwsAlgorithm[]
  #imported: KeyObject | undefined

  /** @throws JWT_KEY_UNSUPPORTED when the declared algorithm does not fit the key */
  constructor(kid: string, jwk: PublicJwk, algorithm?: JwsAlgorithm) {
    const fitting = JWS_ALGORITHM_NAMES.filter((name) => fits(jwk, name))
    if (algorithm !== undefined && !fitting.includes(algorithm)) throw jwtError('JWT_KEY_UNSUPPORTED')
    this.kid = kid
    this.jwk = jwk
    this.algorithms = algorithm === undefined ? fitting : [algorithm]
  }

  /** Imported at first use, once. @throws JWT_KEY_UNSUPPORTED for a point that is not on its curve */
  keyObject(): KeyObject {
    this.#imported ??= importJwk(this.jwk)
    return this.#imported
  }
}

function fits(jwk: PublicJwk, name: JwsAlgorithm): boolean {
  const algorithm = JWS_ALGORITHMS[name]
  return algorithm.kty === 'EC' ? jwk.kty === 'EC' && jwk.crv === algorithm.crv : jwk.kty === 'RSA'
}

/** The keys that are trusted for one issuer and one kind of token, by `kid`. */
export class KeySet {
  readonly #keys: ReadonlyMap<string, VerificationKey>

  /** @throws JWKS_DUPLICATE_KID */
  constructor(keys: readonly VerificationKey[]) {
    this.#keys = new Map(keys.map((key) => [key.kid, key]))
    if (this.#keys.size !== keys.length) throw jwtError('JWKS_DUPLICATE_KID')
  }

  /** The token keys of one use in the bundle of one trust domain: J-12, J-13. */
  static fromBundle(bundle: Bundle, use: TokenAuthority['use']): KeySet {
    return new KeySet(bundle.tokenAuthorities(use).map((entry) => new VerificationKey(entry.kid, entry.key)))
  }

  find(kid: string): VerificationKey | undefined {
    return this.#keys.get(kid)
  }

  keys(): readonly VerificationKey[] {
    return [...this.#keys.values()]
  }
}

/** @throws JWT_KEY_UNSUPPORTED, JWK_SIZE */
export function verificationKeyFromSpki(kid: string, spki: Bytes, algorithm: JwsAlgorithm): VerificationKey {
  return new VerificationKey(kid, jwkFromSpki(spki), algorithm)
}
