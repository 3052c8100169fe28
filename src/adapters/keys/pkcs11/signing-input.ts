import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto'
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '#kernel/algorithms.ts'
import { concat, fromHex, type Bytes } from '#kernel/bytes.ts'
import { joseToDer } from '#jwt/index.ts'

/** DigestInfo of SHA-256 up to its digest (RFC 8017 section 9.2, note 1). */
const SHA256_DIGEST_INFO = fromHex('3031300d060960864801650304020105000420')

/** What the module signs: the digest, which is made in software since not every module makes it (CKM_ECDSA). */
export function signingInput(algorithm: SignatureAlgorithm, message: Bytes): Bytes {
  const digest = hash(SIGNATURE_ALGORITHMS[algorithm].hash, message, 'buffer')
  return algorithm === 'RS256' ? concat(SHA256_DIGEST_INFO, digest) : new Uint8Array(digest)
}

/** Judges signatures of one key as they come from the module, off the event loop. */
export class SignatureJudge {
  readonly #algorithm: SignatureAlgorithm
  readonly #key: KeyObject

  /** `publicKey` is a DER SubjectPublicKeyInfo. */
  constructor(algorithm: SignatureAlgorithm, publicKey: Bytes) {
    this.#algorithm = algorithm
    this.#key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' })
  }

  /** The X.509 form of a signature that verifies; null for one that does not. */
  async accept(message: Bytes, made: Bytes): Promise<Bytes | null> {
    const row = SIGNATURE_ALGORITHMS[this.#algorithm]
    const isRight = await this.#verifies(row.hash, message, made)
    if (!isRight) return null
    return 'size' in row ? joseToDer(made, row.size) : made
  }

  #verifies(algorithm: string, message: Bytes, made: Bytes): Promise<boolean> {
    return new Promise((resolve) => {
      verify(algorithm, message, { key: this.#key, dsaEncoding: 'ieee-p1363' }, made, (error, isRight) => {
        resolve(error === null && isRight)
      })
    })
  }
}
