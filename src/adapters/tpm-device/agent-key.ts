import type { Bytes } from '#kernel/bytes.ts'
import type { JsonObject } from '#kernel/json.ts'
import { signingKeyTemplate } from '#tpm/index.ts'
import { TpmEvidence } from './evidence.ts'
import { createKey } from './objects.ts'
import { withTpm, type TpmOptions } from './open.ts'
import { usualParent, withParent } from './storage-root.ts'
import { describeKey, parseStoredKey, type StoredKey } from './stored-key.ts'
import { TpmSigner } from './tpm-signer.ts'
import { tss2Pem } from './tss2-pem.ts'

/** The key of an agent's SVID in a TPM, as the client library takes it (`HardwareKey`). */
export class TpmAgentKey {
  readonly kind = 'hardware'
  readonly signer: TpmSigner
  /** `key.json` and, for OpenSSL's providers, `key.tss2.pem`. Of no use without the TPM. */
  readonly files: { readonly 'key.json': string; readonly 'key.tss2.pem': string }
  readonly #stored: StoredKey
  readonly #options: TpmOptions

  private constructor(stored: StoredKey, options: TpmOptions) {
    this.#stored = stored
    this.#options = options
    this.signer = new TpmSigner(stored, options)
    this.files = {
      'key.json': `${JSON.stringify(describeKey(stored), null, 2)}\n`,
      'key.tss2.pem': tss2Pem(stored.parent, stored),
    }
  }

  /** A new P-256 key that its TPM has drawn. @throws TPM_ADDRESS_INVALID, TPM_UNREACHABLE, and the TPM's refusals */
  static create(address: string, options: TpmOptions): Promise<TpmAgentKey> {
    return withTpm(address, options, async (tpm) => {
      const parent = await usualParent(tpm)
      const blob = await withParent(tpm, parent, (root) => createKey(tpm, root, signingKeyTemplate('p-256')))
      return new TpmAgentKey({ address, parent, ...blob }, options)
    })
  }

  /** The key of a `key.json`. The TPM is not asked before something is signed. @throws as `parseStoredKey` */
  static open(description: JsonObject, options: TpmOptions): TpmAgentKey {
    return new TpmAgentKey(parseStoredKey(description), options)
  }

  /** What proves to a server that this key is in a genuine TPM; with an EK certificate given, or that of the TPM. */
  evidence(ekCertificate: Bytes | null = null): TpmEvidence {
    return new TpmEvidence(this.#stored, this.#options, ekCertificate)
  }
}
