import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import type { SsfSetRecord, SsfStreamRecord } from '#revocation/index.ts'
import type { Reader } from '../ports.ts'
import { ssfError } from './errors.ts'
import { streamLeaf } from './leaf.ts'
import type { SsfPorts } from './ports.ts'
import { findStream } from './receiver.ts'
import { isStreamUpdate, MOST_WAITING } from './sets.ts'

/** The most that one answer has. */
const MOST_AT_ONCE = 100
/** How long a request waits for events, and how often it looks. */
const LONGEST_POLL: Milliseconds = 25 * SECOND
const INTERVAL: Milliseconds = SECOND / 2

export interface PollRequest {
  readonly id: string
  /** Undefined for as many as there are. */
  readonly maxEvents?: number | undefined
  readonly returnImmediately: boolean
  readonly acknowledged: readonly string[]
  /** Those that the receiver could not make use of: they are not offered again either. */
  readonly refused: readonly string[]
}

export interface PollAnswer {
  readonly sets: readonly SsfSetRecord[]
  readonly moreAvailable: boolean
}

/** Waits; the composition says how. */
export type Sleep = (length: Milliseconds) => Promise<void>

/**
 * RFC 8936 section 2: takes acknowledgements, and gives the oldest events that have none. They are offered again until
 * they are acknowledged.
 * @throws SSF_STREAM_UNKNOWN, SSF_NOT_POLLED
 */
export async function pollStream(
  ports: SsfPorts & { readonly sleep: Sleep },
  caller: Caller,
  request: PollRequest,
): Promise<PollAnswer> {
  // 1. Whose stream it is.
  const stream = await findStream(ports, caller, request.id)
  if (stream.delivery !== 'poll') throw ssfError('SSF_NOT_POLLED')
  // 2. What has arrived is forgotten.
  await forgetSets(ports, stream, {
    actor: caller.name,
    ids: request.acknowledged,
    type: 'security-event.acknowledged',
  })
  await forgetSets(ports, stream, { actor: caller.name, ids: request.refused, type: 'security-event.refused' })
  // 3. What waits is given; where nothing does, for a while.
  const limit = Math.min(request.maxEvents ?? MOST_AT_ONCE, MOST_AT_ONCE)
  const end = ports.clock.monotonic() + LONGEST_POLL
  for (;;) {
    const waiting = await waitingIn(ports.reader, stream.id)
    const isDone = request.returnImmediately || limit === 0 || ports.clock.monotonic() >= end
    if (waiting.length > 0 || isDone) {
      return { sets: waiting.slice(0, limit), moreAvailable: waiting.length > limit }
    }
    await ports.sleep(INTERVAL)
  }
}

/** As the stream stands now: while it is stopped, nothing but that it is. */
async function waitingIn(reader: Reader, id: string): Promise<readonly SsfSetRecord[]> {
  const stream = await reader.find('SsfStream', { id })
  if (stream === null) throw ssfError('SSF_STREAM_UNKNOWN')
  // Ids begin with the time, so that their order is that in which the events were made.
  const limit = stream.state === 'enabled' ? MOST_AT_ONCE + 1 : MOST_WAITING
  const waiting = await reader.list('SsfSet', { where: { stream: id }, limit })
  return stream.state === 'enabled' ? waiting : waiting.filter(isStreamUpdate)
}

export interface Forgotten {
  readonly actor: string
  readonly ids: readonly string[]
  readonly type: 'security-event.acknowledged' | 'security-event.refused' | 'security-event.delivered'
}

/** Takes events out of a stream; those that are not in it, or not any more, are passed over. */
export async function forgetSets(
  { reader, journal }: Pick<SsfPorts, 'reader' | 'journal'>,
  stream: Pick<SsfStreamRecord, 'id'>,
  { actor, ids, type }: Forgotten,
): Promise<void> {
  if (ids.length === 0) return
  const where = { stream: stream.id, id: { in: ids } } as const
  const known = await reader.list('SsfSet', { where, limit: Math.min(ids.length, MOST_WAITING) })
  if (known.length === 0) return
  try {
    await record(journal, {
      lock: 'none',
      guards: [],
      changes: [{ op: 'delete', table: 'SsfSet', where, refuse: () => ssfError('SSF_STREAM_CHANGED') }],
      leaf: streamLeaf({ type, actor, stream: stream.id }, { count: String(known.length) }),
      events: [],
    })
  } catch (error) {
    // Acknowledged twice at once is acknowledged.
    if (!isWritError(error, 'SSF_STREAM_CHANGED')) throw error
  }
}
