import type { Clock } from '#kernel/clock.ts'
import { instant, type Instant } from '#kernel/instant.ts'

/** The machine's own clocks. */
export class SystemClock implements Clock {
  now(): Instant {
    return instant(Date.now())
  }

  monotonic(): number {
    return performance.now()
  }
}
