import type { Counters } from './ports.ts'

const COUNTER = 'task-token-status'

/**
 * Hands out status list indexes, each once (SL-3). Reserves them in blocks, so that an exchange does not wait for the
 * store; what is left of a block at the end is lost, which is allowed.
 */
export class StatusIndexes {
  readonly #counters: Counters
  readonly #size: number
  #next = 0
  #end = 0
  #reserving: Promise<void> | null = null

  constructor(counters: Counters, size = 1024) {
    this.#counters = counters
    this.#size = size
  }

  /** Rejects with what the store rejects with. */
  async next(): Promise<number> {
    while (this.#next >= this.#end) {
      this.#reserving ??= this.#reserve().finally(() => {
        this.#reserving = null
      })
      await this.#reserving
    }
    return this.#next++
  }

  async #reserve(): Promise<void> {
    this.#next = await this.#counters.reserve(COUNTER, this.#size)
    this.#end = this.#next + this.#size
  }
}
