import type { Bytes } from '#kernel/bytes.ts'
import type { Signer } from '#kernel/signer.ts'
import { parsePublic, spkiOf } from '#tpm/index.ts'
import { loadKey, withObject, type LoadedObject } from './objects.ts'
import { withTpm, type TpmOptions } from './open.ts'
import { signEs256 } from './sign.ts'
import { withParent } from './storage-root.ts'
import type { StoredKey } from './stored-key.ts'
import type { Tpm } from './tpm.ts'

interface Waiting {
  readonly message: Bytes
  readonly resolve: (signature: Bytes) => void
  readonly reject: (reason: unknown) => void
}

/**
 * A P-256 key in a TPM. The TPM is opened when something is to be signed and closed when nothing is any more, so that
 * other programs can have it in between: software TPMs take one client at a time, and small ones hold three objects.
 */
export class TpmSigner implements Signer {
  readonly algorithm = 'ES256'
  readonly publicKey: Bytes
  readonly #stored: StoredKey
  readonly #options: TpmOptions
  #waiting: Waiting[] = []
  #isSigning = false

  constructor(stored: StoredKey, options: TpmOptions) {
    this.publicKey = spkiOf(parsePublic(stored.public))
    this.#stored = stored
    this.#options = options
  }

  /** @throws TPM_UNREACHABLE, TPM_BLOB_FOREIGN when the key was made by another TPM, and what `Tpm.execute` throws */
  sign(message: Bytes): Promise<Bytes> {
    const { promise, resolve, reject } = Promise.withResolvers<Bytes>()
    this.#waiting.push({ message, resolve, reject })
    if (!this.#isSigning) void this.#signAll()
    return promise
  }

  /** Signatures are handed out once the TPM is closed again: whoever has one may open it. */
  async #signAll(): Promise<void> {
    this.#isSigning = true
    const batch = this.#waiting.splice(0)
    const settled = await this.#signBatch(batch.map(({ message }) => message))
    settled.forEach((result, index) => {
      if (result.status === 'fulfilled') batch[index]?.resolve(result.value)
      else batch[index]?.reject(result.reason)
    })
    this.#isSigning = false
    if (this.#waiting.length > 0) void this.#signAll()
  }

  async #signBatch(messages: readonly Bytes[]): Promise<readonly PromiseSettledResult<Bytes>[]> {
    try {
      return await withTpm(this.#stored.address, this.#options, (tpm) =>
        withKey(tpm, this.#stored, (key) =>
          Promise.allSettled(messages.map((message) => signEs256(tpm, key, message))),
        ),
      )
    } catch (reason) {
      return messages.map(() => ({ status: 'rejected', reason }))
    }
  }
}

/** Runs `use` with the key loaded; its parent has left again, since a TPM has room for three. */
export async function withKey<Value>(
  tpm: Tpm,
  stored: StoredKey,
  use: (key: LoadedObject) => Promise<Value>,
): Promise<Value> {
  const loading = withParent(tpm, stored.parent, (parent) => loadKey(tpm, parent, stored))
  return withObject(tpm, loading, use)
}
