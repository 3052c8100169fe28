import { record } from '#audit/index.ts'
import { toRfc3339, type Instant } from '#kernel/instant.ts'
import type { ClockGuard } from './clock-guard.ts'
import type { StoryPorts } from './ports.ts'

export interface AcceptClockPorts extends Pick<StoryPorts, 'journal' | 'clock'> {
  readonly clockGuard: ClockGuard
  readonly replica: string
}

/**
 * `writ server clock accept`: an operator says that the clock of this replica is right although it is behind the mark
 * (promise 12). Written down before the mark is moved.
 * @throws CLOCK_DIFFERS
 */
export async function acceptClock(ports: AcceptClockPorts, actor: string): Promise<Instant> {
  const { journal, clock, clockGuard, replica } = ports
  const mark = clockGuard.mark
  const receipt = await record(journal, {
    lock: 'none',
    guards: [],
    changes: [],
    leaf: {
      type: 'clock.accepted',
      actor,
      object: `replica:${replica}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: { now: toRfc3339(clock.now()), mark: mark === null ? 'none' : toRfc3339(mark) },
    },
    events: [],
  })
  return clockGuard.accept(receipt)
}
