import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { Signer } from '#kernel/signer.ts'
import type { TokenKey } from './token-keys.ts'
import type { TokenPool } from './token-pool.ts'

/** A private key in a token. What it returns verifies with its public key. */
export class Pkcs11Signer implements Signer {
  readonly algorithm: SignatureAlgorithm
  readonly publicKey: Bytes
  readonly #pool: TokenPool
  readonly #key: TokenKey

  constructor(pool: TokenPool, key: TokenKey, publicKey: Bytes) {
    this.#pool = pool
    this.#key = key
    this.algorithm = key.key.algorithm
    this.publicKey = publicKey
  }

  /** @throws KEY_UNAVAILABLE */
  sign(message: Bytes): Promise<Bytes> {
    return this.#pool.sign(this.#key, message)
  }
}
