/**
 * Lets things that run at the same time go on one at a time, in an order that the seed decides. Whoever takes part
 * waits for its `turn` before and after everything that others can see.
 */
export class Turns {
  #state: number
  #waiting: (() => void)[] = []

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  turn(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    this.#waiting.push(() => {
      resolve(undefined)
    })
    return promise
  }

  /** Runs until `running` is settled. */
  async drive<Answer>(running: Promise<Answer>): Promise<Answer> {
    const state = { settled: false }
    const done = () => {
      state.settled = true
    }
    running.then(done, done)
    while (!state.settled) {
      // Everybody who can go on does so, up to the next turn.
      await new Promise((resolve) => setImmediate(resolve))
      const [next] = this.#waiting.splice(this.#pick(this.#waiting.length), 1)
      next?.()
    }
    return running
  }

  /** mulberry32: small, and good enough to mix an order. */
  #pick(length: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return length === 0 ? 0 : ((mixed ^ (mixed >>> 14)) >>> 0) % length
  }
}
