import type { Instant } from '#kernel/instant.ts'
import { receiverError } from './errors.ts'

/**
 * Remembers which proofs were used. Several processes that serve one URL share one, or a proof is good once at each of
 * them.
 */
export interface UsedProofs {
  /** True for the one who is first to use `key`, under any interleaving; it must be remembered until then. */
  useFirst(key: string, until: Instant, now: Instant): boolean | Promise<boolean>
}

const MOST = 100_000

/** The proofs of one process, in memory; when there are too many to remember, nobody else is let in for the moment. */
export class UsedProofsInMemory implements UsedProofs {
  readonly #used = new Map<string, Instant>()
  readonly #most: number

  constructor(most = MOST) {
    this.#most = most
  }

  /** @throws RECEIVER_TOO_MANY_PROOFS */
  useFirst(key: string, until: Instant, now: Instant): boolean {
    if (this.#used.has(key)) return false
    if (this.#used.size >= this.#most) this.#forget(now)
    if (this.#used.size >= this.#most) throw receiverError('RECEIVER_TOO_MANY_PROOFS')
    this.#used.set(key, until)
    return true
  }

  #forget(now: Instant): void {
    for (const [key, until] of this.#used) if (until < now) this.#used.delete(key)
  }
}
