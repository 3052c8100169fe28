import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { SECURITY_EVENTS } from '#jwt/index.ts'
import type { SsfSetRecord, SsfStreamRecord } from '#revocation/index.ts'
import { oldestPosition } from '../feed/follow.ts'
import { recordingDenials } from '../recorded-story.ts'
import { ssfError } from './errors.ts'
import { streamLeaf } from './leaf.ts'
import { EVENTS_LOST, isTooFarBack, signLoss } from './lost-events.ts'
import type { SsfPorts } from './ports.ts'
import { findStream } from './receiver.ts'
import { insertSet, MOST_WAITING, signSet } from './sets.ts'
import { newestPosition, updateStream } from './streams.ts'

export interface StatusRequest {
  readonly id: string
  readonly status: SsfStreamRecord['state']
  readonly reason: string | null
}

/**
 * What a receiver wants of its stream (SSF 1.0 section 8.1.2.2). A paused stream goes on where it stood, as long as the
 * outbox keeps what happened; after that it goes on from now, and says that events were lost. One that was disabled goes
 * on from now.
 * @throws SSF_STREAM_UNKNOWN, SSF_STREAM_CHANGED
 */
export function setStreamStatus(ports: SsfPorts, caller: Caller, request: StatusRequest): Promise<SsfStreamRecord> {
  const attempt = { type: 'stream.status', actor: caller.name, object: 'stream' }
  return recordingDenials(ports, attempt, async (watched) => {
    const stream = await findStream(watched, caller, request.id)
    const isFromNow = stream.state === 'disabled' && request.status !== 'disabled'
    const isLost =
      stream.state === 'paused' &&
      request.status === 'enabled' &&
      isTooFarBack(stream.position, await oldestPosition(watched.reader))
    const position = isFromNow || isLost ? await newestPosition(watched.reader) : stream.position
    const set = {
      state: request.status,
      reason: isLost ? EVENTS_LOST : request.reason,
      version: stream.version + 1,
      position,
    }
    const loss = isLost ? [insertSet(await signLoss(watched, { ...stream, position }))] : []
    await record(watched.journal, {
      lock: 'none',
      guards: [],
      changes: [...loss, updateStream(stream, set)],
      leaf: streamLeaf({ type: 'stream.status', actor: caller.name, stream: stream.id }, { status: request.status }),
      events: [],
    })
    return { ...stream, ...set }
  })
}

/**
 * Stops a stream from our side: what says so is put among its events first, in the same commit (SS-3).
 * @throws SSF_STREAM_CHANGED
 */
export async function pauseStream(ports: SsfPorts, stream: SsfStreamRecord, reason: string): Promise<void> {
  const set = await signPause(ports, stream, reason)
  await record(ports.journal, {
    lock: 'none',
    guards: [],
    changes: [insertSet(set), updateStream(stream, { state: 'paused', reason, version: stream.version + 1 })],
    leaf: streamLeaf({ type: 'stream.status', actor: 'system', stream: stream.id }, { status: 'paused' }),
    events: [],
  })
}

export function signPause(ports: SsfPorts, stream: SsfStreamRecord, reason: string): Promise<SsfSetRecord> {
  return signSet(ports, stream, {
    subject: { format: 'opaque', id: stream.id },
    type: SECURITY_EVENTS.streamUpdated,
    event: { status: 'paused', reason },
  })
}

/**
 * Puts an event into the stream that proves that events arrive (SSF 1.0 section 8.1.4.2), with what the receiver gave.
 * @throws SSF_STREAM_UNKNOWN, SSF_STREAM_FULL
 */
export function verifyStream(
  ports: SsfPorts,
  caller: Caller,
  request: { readonly id: string; readonly state: string | null },
): Promise<void> {
  const attempt = { type: 'stream.verified', actor: caller.name, object: 'stream' }
  return recordingDenials(ports, attempt, async (watched) => {
    const stream = await findStream(watched, caller, request.id)
    const waiting = await watched.reader.list('SsfSet', { where: { stream: stream.id }, limit: MOST_WAITING })
    if (waiting.length >= MOST_WAITING) throw ssfError('SSF_STREAM_FULL')
    const set = await signSet(watched, stream, {
      subject: { format: 'opaque', id: stream.id },
      type: SECURITY_EVENTS.verification,
      event: request.state === null ? {} : { state: request.state },
    })
    await record(watched.journal, {
      lock: 'none',
      guards: [
        {
          table: 'SsfStream',
          must: 'exist',
          where: { id: stream.id },
          refuse: () => ssfError('SSF_STREAM_UNKNOWN'),
        },
      ],
      changes: [insertSet(set)],
      leaf: streamLeaf({ type: 'stream.verified', actor: caller.name, stream: stream.id }, { set: set.id }),
      events: [],
    })
  })
}
