import { instant, type Instant } from '#kernel/instant.ts'

/** Where the receiver has its time from: milliseconds since the epoch, and milliseconds that never go back. */
export interface ReceiverClock {
  now(): number
  monotonic(): number
}

/** @throws INVALID_INSTANT */
export function momentOf(clock: ReceiverClock): Instant {
  return instant(Math.floor(clock.now()))
}
