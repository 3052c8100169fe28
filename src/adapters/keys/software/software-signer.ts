import { createPublicKey, sign, type KeyObject } from 'node:crypto'
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { Signer } from '#kernel/signer.ts'
import { keysError } from '../errors.ts'

interface Waiting {
  readonly message: Bytes
  readonly resolve: (signature: Bytes) => void
  readonly reject: (reason: unknown) => void
}

/** A private key in memory. The signatures asked for in one turn of the event loop are made together. */
export class SoftwareSigner implements Signer {
  readonly algorithm: SignatureAlgorithm
  readonly publicKey: Bytes
  readonly #key: KeyObject
  #waiting: Waiting[] = []

  /** @throws KEY_UNUSABLE when the key is not P-256, P-384 or RSA of 2048 to 8192 bits */
  constructor(key: KeyObject) {
    this.algorithm = algorithmOf(key)
    this.publicKey = new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }))
    this.#key = key
  }

  sign(message: Bytes): Promise<Bytes> {
    const { promise, resolve, reject } = Promise.withResolvers<Bytes>()
    this.#waiting.push({ message, resolve, reject })
    if (this.#waiting.length === 1) setImmediate(this.#signAll)
    return promise
  }

  readonly #signAll = (): void => {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { message, resolve, reject } of waiting) {
      try {
        resolve(new Uint8Array(sign(SIGNATURE_ALGORITHMS[this.algorithm].hash, message, this.#key)))
      } catch (cause) {
        reject(keysError('KEY_UNUSABLE', { cause }))
      }
    }
  }
}

const CURVES = new Map<string | undefined, SignatureAlgorithm>([
  ['prime256v1', 'ES256'],
  ['secp384r1', 'ES384'],
])

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): SignatureAlgorithm {
  const { namedCurve, modulusLength = 0 } = asymmetricKeyDetails ?? {}
  const curve = asymmetricKeyType === 'ec' ? CURVES.get(namedCurve) : undefined
  if (curve !== undefined) return curve
  if (asymmetricKeyType === 'rsa' && modulusLength >= 2048 && modulusLength <= 8192) return 'RS256'
  throw keysError('KEY_UNUSABLE', { details: { type: asymmetricKeyType ?? 'none' } })
}
