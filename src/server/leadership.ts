import type { Leases } from '#flows/ports.ts'
import type { Clock } from '#kernel/clock.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'

/** Who was refused a duty does not ask for it again so soon, however often it is woken. */
const PATIENCE: Milliseconds = SECOND / 4

/**
 * Which duties this replica does for all. A lease is renewed when half of it is over, not at every run: a server that
 * has nothing to do writes little, one that waits for its turn nothing at all. Everything here is measured by the clock
 * that cannot be set back; how long a lease lasts for others is measured by theirs, see `Leases`.
 *
 * Of one that dies the others take over a duty when its lease has run out, at most `PATIENCE` later. One that was only
 * asleep may believe for a moment that a duty is still its own: each duty has to bear that, by a compare-and-swap.
 */
export class Leadership {
  readonly #leases: Leases
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #holder: string
  readonly #freshUntil = new Map<string, Milliseconds>()
  readonly #refusedUntil = new Map<string, Milliseconds>()

  constructor(leases: Leases, clock: Pick<Clock, 'monotonic'>, holder: string) {
    this.#leases = leases
    this.#clock = clock
    this.#holder = holder
  }

  /** Whether the duty is this replica's, for `length` from the last time that the store was asked. */
  async holds(duty: string, length: Milliseconds): Promise<boolean> {
    const now = this.#clock.monotonic()
    if (now < (this.#freshUntil.get(duty) ?? -1)) return true
    if (now < (this.#refusedUntil.get(duty) ?? -1)) return false
    const held = await this.#leases.acquire(duty, this.#holder, length)
    if (held === null) {
      this.#freshUntil.delete(duty)
      this.#refusedUntil.set(duty, now + PATIENCE)
      return false
    }
    this.#freshUntil.set(duty, now + length / 2)
    return true
  }

  /** Leaves every duty to the others at once, rather than when the leases run out, which they do all the same. */
  async resign(): Promise<void> {
    const held = [...this.#freshUntil.keys()]
    this.#freshUntil.clear()
    await Promise.allSettled(held.map((duty) => this.#leases.release(duty, this.#holder)))
  }
}
