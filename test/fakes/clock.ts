import type { Clock } from '#kernel/clock.ts'
import { after, instant, type Instant, type Milliseconds } from '#kernel/instant.ts'

/** A clock that stands still until it is told otherwise. It may be set back; `monotonic` never goes back. */
export class FakeClock implements Clock {
  #now: Instant
  #monotonic = 0

  constructor(now: Instant = instant(Date.UTC(2026, 10, 20, 10))) {
    this.#now = now
  }

  now(): Instant {
    return this.#now
  }

  monotonic(): number {
    return this.#monotonic
  }

  set(now: Instant): void {
    this.#monotonic += Math.max(0, now - this.#now)
    this.#now = now
  }

  /** The wall clock alone, as when somebody sets it. */
  leap(length: Milliseconds): void {
    this.#now = after(this.#now, length)
  }

  advance(length: Milliseconds): Instant {
    this.#monotonic += length
    this.#now = after(this.#now, length)
    return this.#now
  }
}
