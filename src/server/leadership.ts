import type { Leases } from '#flows/ports.ts'
import type { Clock } from '#kernel/clock.ts'
import { after, type Milliseconds } from '#kernel/instant.ts'

/**
 * Which duties this replica does for all. A lease is renewed when half of it is over, not at every run: a server that
 * has nothing to do writes nothing. The half is measured by the clock that cannot be set back.
 */
export class Leadership {
  readonly #leases: Leases
  readonly #clock: Clock
  readonly #holder: string
  readonly #freshUntil = new Map<string, Milliseconds>()

  constructor(leases: Leases, clock: Clock, holder: string) {
    this.#leases = leases
    this.#clock = clock
    this.#holder = holder
  }

  /** Whether the duty is this replica's, for `length` from the last time that the store was asked. */
  async holds(duty: string, length: Milliseconds): Promise<boolean> {
    const now = this.#clock.monotonic()
    if (now < (this.#freshUntil.get(duty) ?? -1)) return true
    this.#freshUntil.delete(duty)
    const held = await this.#leases.acquire(duty, this.#holder, after(this.#clock.now(), length))
    if (held !== null) this.#freshUntil.set(duty, now + length / 2)
    return held !== null
  }

  /** Leaves every duty to the others at once, rather than when the leases run out, which they do all the same. */
  async resign(): Promise<void> {
    const held = [...this.#freshUntil.keys()]
    this.#freshUntil.clear()
    await Promise.allSettled(held.map((duty) => this.#leases.release(duty, this.#holder)))
  }
}
