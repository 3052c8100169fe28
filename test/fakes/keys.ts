import { errorsOf } from '#kernel/errors.ts'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import { toHex, type Bytes } from '#kernel/bytes.ts'
import type { Signer } from '#kernel/signer.ts'
import type { Keys } from '#flows/ports.ts'
import { newKeyPair, type KeyPair } from '../support/x509.ts'

const keysError = errorsOf({
  KEY_EXISTS: 'A key of this name exists already.',
  KEY_NOT_FOUND: 'There is no key under this reference.',
  KEY_UNUSABLE: 'The key cannot be used.',
})

/** The nth signature (the first is 1) fails as if the key's home had gone away, before or after it was made. */
export interface SignFailure {
  readonly when: 'before' | 'after'
  readonly signature: number
}

/** Keys in memory, real ones. `signed` lists what was signed, as a hardware module would log it. */
export class MemoryKeys implements Keys {
  readonly #keys = new Map<string, KeyPair>()
  readonly signed: { readonly reference: string; readonly message: string }[] = []
  /** How many signatures were asked for, failed ones included. */
  signatures = 0
  fail: SignFailure | null = null
  /** Set it to return something else than the signature. */
  lie: ((signature: Bytes, message: Bytes, key: KeyPair) => Bytes) | null = null

  generate(name: string, algorithm: SignatureAlgorithm): Promise<{ reference: string; signer: Signer }> {
    const reference = `memory:${name}`
    if (this.#keys.has(reference)) return Promise.reject(keysError('KEY_EXISTS'))
    this.put(reference, newKeyPair(algorithm))
    return Promise.resolve({ reference, signer: this.#signer(reference) })
  }

  open(reference: string): Promise<Signer> {
    if (!this.#keys.has(reference)) return Promise.reject(keysError('KEY_NOT_FOUND'))
    return Promise.resolve(this.#signer(reference))
  }

  /** Puts a key under a reference, in the place of what was there. */
  put(reference: string, key: KeyPair): void {
    this.#keys.set(reference, key)
  }

  pair(reference: string): KeyPair {
    const key = this.#keys.get(reference)
    if (key === undefined) throw keysError('KEY_NOT_FOUND')
    return key
  }

  remove(reference: string): void {
    this.#keys.delete(reference)
  }

  #signer(reference: string): Signer {
    const key = this.pair(reference)
    return {
      algorithm: key.algorithm,
      publicKey: key.publicKey.spki,
      sign: (message) => this.#sign(reference, message),
    }
  }

  async #sign(reference: string, message: Bytes): Promise<Bytes> {
    this.signatures++
    const failure = this.fail?.signature === this.signatures ? this.fail.when : null
    const key = this.#keys.get(reference)
    if (failure === 'before' || key === undefined) throw keysError('KEY_UNUSABLE')
    const signature = await key.signer.sign(message)
    this.signed.push({ reference, message: toHex(message) })
    if (failure === 'after') throw keysError('KEY_UNUSABLE')
    return this.lie === null ? signature : this.lie(signature, message, key)
  }
}
