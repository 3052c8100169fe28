import { record } from '#audit/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { DAY, instant, type Milliseconds } from '#kernel/instant.ts'
import type { SsfSetRecord, SsfStreamRecord } from '#revocation/index.ts'
import { ssfError } from './errors.ts'
import { streamLeaf } from './leaf.ts'
import type { SsfPorts } from './ports.ts'
import { insertSet } from './sets.ts'
import { signPause } from './stream-status.ts'
import { updateStream } from './streams.ts'

/** Events that nobody acknowledges are kept for so long: as long as what they were made from. */
export const SETS_KEPT: Milliseconds = 7 * DAY
export const SETS_EXPIRED = 'events were dropped that had not been acknowledged for seven days'
const AT_ONCE = 1000

/**
 * Drops events that were not acknowledged in time, and pauses their streams, which say why. A stream's place goes back to
 * before what was dropped: whoever enables it again is told that again, or that it is lost. Answers how many it dropped.
 */
export async function expireSets(ports: SsfPorts): Promise<number> {
  // Ids begin with the time: the oldest come first.
  const oldest = await ports.reader.list('SsfSet', { limit: AT_ONCE })
  const limit = instant(Math.max(0, ports.clock.now() - SETS_KEPT))
  const expired = Map.groupBy(
    oldest.filter(({ createdAt }) => createdAt < limit),
    ({ stream }) => stream,
  )
  let dropped = 0
  for (const [id, sets] of expired) {
    const stream = await ports.reader.find('SsfStream', { id })
    if (stream !== null && (await drop(ports, stream, sets))) dropped += sets.length
  }
  return dropped
}

/** False when the stream was changed meanwhile; the next run finds it again. */
async function drop(ports: SsfPorts, stream: SsfStreamRecord, sets: readonly SsfSetRecord[]): Promise<boolean> {
  const position = Math.min(stream.position, ...sets.map((set) => set.position - 1))
  const isStopping = stream.state === 'enabled'
  const said = isStopping ? [insertSet(await signPause(ports, stream, SETS_EXPIRED))] : []
  const stop = isStopping ? { state: 'paused' as const, reason: SETS_EXPIRED } : {}
  const where = { stream: stream.id, id: { in: sets.map(({ id }) => id) } } as const
  try {
    await record(ports.journal, {
      lock: 'none',
      guards: [],
      changes: [
        { op: 'delete', table: 'SsfSet', where, refuse: () => ssfError('SSF_STREAM_CHANGED') },
        updateStream(stream, { ...stop, position, version: stream.version + 1 }),
        ...said,
      ],
      leaf: streamLeaf(
        { type: 'security-event.expired', actor: 'system', stream: stream.id },
        { count: String(sets.length) },
      ),
      events: [],
    })
    return true
  } catch (error) {
    if (isWritError(error, 'SSF_STREAM_CHANGED')) return false
    throw error
  }
}
