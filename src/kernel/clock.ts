import type { Instant } from './instant.ts'

/** The one source of time (promise 12). Rooms and flows take it as an argument; nothing else reads a clock. */
export interface Clock {
  /** The wall clock. May step back; whoever issues compares it with the stored mark. */
  now(): Instant
  /** Milliseconds that never go back, for measuring durations. Only differences mean anything. */
  monotonic(): number
}
