import type { SealingKeyRecord } from '#authentication/index.ts'
import { isSealedNonce, nonceTime, sealNonce } from '#jwt/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { after, DAY, MINUTE, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import type { Firsts, Reader } from './ports.ts'

/** How long a nonce may be used. */
const NONCE_LIFETIME: Milliseconds = 5 * MINUTE
/** The clock of the replica that made it may be ahead by this much. */
const SKEW: Milliseconds = MINUTE
const KEY_BYTES = 32

/**
 * The nonces that DPoP proofs must carry (RFC 9449 section 8). Each day has a key of its own in the store, so that any
 * replica takes what another one gave, and what is restarted goes on; used keys are kept at hand.
 */
export class ProofNonces {
  readonly #ports: { readonly reader: Reader; readonly firsts: Firsts; readonly random: Random }
  readonly #keys = new Map<string, Bytes>()

  constructor(ports: { readonly reader: Reader; readonly firsts: Firsts; readonly random: Random }) {
    this.#ports = ports
  }

  async make(now: Instant): Promise<string> {
    return sealNonce(await this.#keyOf(now), now)
  }

  /** Whether it is one of ours, and not too old. */
  async isCurrent(nonce: string, now: Instant): Promise<boolean> {
    const time = nonceTime(nonce)
    if (time === null || time > now + SKEW || time < now - NONCE_LIFETIME) return false
    return isSealedNonce(await this.#keyOf(time), nonce)
  }

  async #keyOf(moment: Instant): Promise<Bytes> {
    const day = Math.floor(moment / DAY)
    const id = `dpop-nonce:${String(day)}`
    const known = this.#keys.get(id)
    if (known !== undefined) return known
    const { secret } = await this.#sharedKey({
      id,
      secret: this.#ports.random.bytes(KEY_BYTES),
      expiresAt: after(moment, 2 * DAY),
    })
    // Two days at a time, and no more.
    for (const old of this.#keys.keys()) if (this.#keys.size > 1) this.#keys.delete(old)
    this.#keys.set(id, secret)
    return secret
  }

  /** Whichever replica was first made the key; all of them use it. */
  async #sharedKey(proposed: SealingKeyRecord): Promise<SealingKeyRecord> {
    const { reader, firsts } = this.#ports
    const stored = await reader.find('SealingKey', { id: proposed.id })
    if (stored !== null) return stored
    await firsts.insertFirst('SealingKey', proposed)
    return (await reader.find('SealingKey', { id: proposed.id })) ?? proposed
  }
}
