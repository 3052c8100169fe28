import type { Clock } from '#kernel/clock.ts'
import { SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'

export interface LookoutOptions {
  readonly clock: Clock
  /** 0 to 1: where in the last tenth of each interval it looks, so that a fleet does not look at once. */
  readonly spread: number
  /** Looks; answers how long what it saw is good for. Whatever it throws, it is asked again soon. */
  readonly look: () => Promise<Milliseconds>
  /** The same for the bundle alone, for somebody who waits. */
  readonly hurry: () => Promise<void>
}

/** The first look: what was read from files may be old. */
const FIRST: Milliseconds = SECOND
const FIRST_SPREAD: Milliseconds = 4 * SECOND
/** After a look that failed; never later than the next one would have been. */
const AFTER_FAILURE: Milliseconds = 15 * SECOND
/** Timers do not see a clock that was set, or a machine that slept: how late such a step is noticed at most. */
const LONGEST_WAIT: Milliseconds = 30 * SECOND
/** Whoever makes handshakes fail makes us fetch the bundle this often at most. */
const BETWEEN_HURRIES: Milliseconds = SECOND

/** Looks again and again, in intervals that each look decides; and at once, when somebody meets what is not known. */
export class Lookout {
  readonly #options: LookoutOptions
  #timer: NodeJS.Timeout | undefined
  #lastAt: Instant
  #dueAt: Instant
  #hurrying: Promise<void> | undefined
  #closed = false

  constructor(options: LookoutOptions) {
    this.#options = options
    this.#lastAt = options.clock.now()
    this.#dueAt = (this.#lastAt + FIRST + options.spread * FIRST_SPREAD) as Instant
    this.#wait()
  }

  /** Resolves after a look that began after the call, shared by all who wait. @throws what `hurry` of the options throws */
  hurry(): Promise<void> {
    this.#hurrying ??= this.#hurry()
    return this.#hurrying
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #hurriedAt: Milliseconds = Number.NEGATIVE_INFINITY

  async #hurry(): Promise<void> {
    const { clock, hurry } = this.#options
    const pause = this.#hurriedAt + BETWEEN_HURRIES - clock.monotonic()
    const length = Math.max(0, Math.min(pause, BETWEEN_HURRIES))
    await new Promise<void>((resolve) => setTimeout(resolve, length))
    this.#hurriedAt = clock.monotonic()
    // Whoever comes from here on may have met what this look does not see yet.
    this.#hurrying = undefined
    if (!this.#closed) await hurry()
  }

  /** Due, or the clock was set back since. */
  get #isDue(): boolean {
    const now = this.#options.clock.now()
    return now >= this.#dueAt || now < this.#lastAt
  }

  #wait(): void {
    clearTimeout(this.#timer)
    if (this.#closed) return
    const left = Math.max(0, this.#dueAt - this.#options.clock.now())
    this.#timer = setTimeout(() => void this.#tick(), Math.min(left, LONGEST_WAIT))
    this.#timer.unref()
  }

  async #tick(): Promise<void> {
    if (this.#isDue) await this.#look()
    this.#wait()
  }

  async #look(): Promise<void> {
    const { clock, look, spread } = this.#options
    this.#lastAt = clock.now()
    const interval = await look().catch(() => AFTER_FAILURE)
    this.#lastAt = clock.now()
    this.#dueAt = Math.ceil(this.#lastAt + interval * (0.9 + 0.1 * spread)) as Instant
  }
}
