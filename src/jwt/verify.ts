import { constants, verify as verifySignature, type KeyObject } from 'node:crypto'
import type { Bytes } from '#kernel/bytes.ts'
import type { JsonObject } from '#kernel/json.ts'
import { JWS_ALGORITHMS, type JwsAlgorithm } from './algorithms.ts'
import type { UnverifiedToken } from './compact.ts'
import { joseToDer } from './ecdsa-signature.ts'
import { jwtError } from './errors.ts'
import type { KeySet, VerificationKey } from './key-set.ts'
import type { TokenKind } from './token-kinds.ts'

/** A token whose signature was verified with a key trusted for its kind. Its claims are still to be checked. */
export class VerifiedToken {
  readonly kind: TokenKind
  readonly kid: string
  readonly claims: JsonObject
  // Makes the type nominal: an object of this shape is no proof.
  readonly #verified = true

  private constructor(kind: TokenKind, kid: string, claims: JsonObject) {
    this.kind = kind
    this.kid = kid
    this.claims = claims
  }

  /**
   * Finds the key by `kid`, lets key and kind fix the algorithm, and verifies.
   * @throws JWT_KEY_ID_MISSING, JWT_KEY_UNKNOWN, JWT_ALGORITHM_NOT_ALLOWED, JWT_SIGNATURE_INVALID
   */
  static verify(token: UnverifiedToken, keys: KeySet): VerifiedToken {
    const { kid, alg } = token.header
    if (kid === undefined) throw jwtError('JWT_KEY_ID_MISSING')
    const key = keys.find(kid)
    if (key === undefined) throw jwtError('JWT_KEY_UNKNOWN')
    if (!key.algorithms.includes(alg)) throw jwtError('JWT_ALGORITHM_NOT_ALLOWED')
    checkSignature(token, key)
    return new VerifiedToken(token.kind, kid, token.claims)
  }

  get verified(): boolean {
    return this.#verified
  }
}

/** @throws JWT_SIGNATURE_INVALID, JWT_KEY_UNSUPPORTED */
export function checkSignature(token: UnverifiedToken, key: VerificationKey): void {
  const algorithm = token.header.alg
  const form = signatureForm(algorithm, token.signature)
  if (form === undefined || !holds(algorithm, token.signingInput, key.keyObject(), form)) {
    throw jwtError('JWT_SIGNATURE_INVALID')
  }
}

function signatureForm(name: JwsAlgorithm, signature: Bytes): Bytes | undefined {
  const algorithm = JWS_ALGORITHMS[name]
  if (algorithm.kty === 'RSA') return signature
  return signature.length === 2 * algorithm.size ? joseToDer(signature, algorithm.size) : undefined
}

function holds(name: JwsAlgorithm, message: Bytes, key: KeyObject, signature: Bytes): boolean {
  const algorithm = JWS_ALGORITHMS[name]
  if (algorithm.kty === 'RSA' && algorithm.padding === 'pss') {
    const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    return verifySignature(algorithm.hash, message, pss, signature)
  }
  return verifySignature(algorithm.hash, message, key, signature)
}
