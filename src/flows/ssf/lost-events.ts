import { record } from '#audit/index.ts'
import { SECURITY_EVENTS } from '#jwt/index.ts'
import type { SsfSetRecord, SsfStreamRecord } from '#revocation/index.ts'
import type { IssuePorts } from '../issuance-ports.ts'
import { streamLeaf } from './leaf.ts'
import type { SsfPorts } from './ports.ts'
import { insertSet, signSet } from './sets.ts'
import { newestPosition, updateStream } from './streams.ts'

/** What a receiver is told that cannot be told everything: the rest it has to find out by itself. */
export const EVENTS_LOST = 'events were lost that are kept for seven days: establish the state of your subjects anew'

/** The same of one happening that ended more than a stream may hold. */
export const TOO_MUCH_ENDED = 'more has ended at once than a stream holds: establish the state of your subjects anew'

/** Whether the outbox, whose oldest event is at `oldest`, has no more of what comes behind a position. */
export function isTooFarBack(position: number, oldest: number): boolean {
  return oldest < 0 ? position >= 0 : position < oldest - 1
}

/** Says into the stream that it goes on, and that something is missing (SSF 1.0 section 8.1.5). */
export function signLoss(ports: IssuePorts, stream: SsfStreamRecord, reason = EVENTS_LOST): Promise<SsfSetRecord> {
  return signSet(ports, stream, {
    subject: { format: 'opaque', id: stream.id },
    type: SECURITY_EVENTS.streamUpdated,
    event: { status: 'enabled', reason },
  })
}

/** A stream that is followed and has lost its place goes on from the present, and says so. @throws SSF_STREAM_CHANGED */
export async function goOnFromNow(ports: SsfPorts, stream: SsfStreamRecord): Promise<void> {
  await goOnBehind(ports, stream, { position: await newestPosition(ports.reader), reason: EVENTS_LOST })
}

/** A stream goes on behind a position, and says that something up to there is missing. @throws SSF_STREAM_CHANGED */
export async function goOnBehind(
  ports: SsfPorts,
  stream: SsfStreamRecord,
  { position, reason }: { readonly position: number; readonly reason: string },
): Promise<void> {
  const loss = await signLoss(ports, { ...stream, position }, reason)
  const set = { position, reason, version: stream.version + 1 }
  await record(ports.journal, {
    lock: 'none',
    guards: [],
    changes: [insertSet(loss), updateStream(stream, set)],
    leaf: streamLeaf({ type: 'stream.status', actor: 'system', stream: stream.id }, { status: 'enabled', lost: 'yes' }),
    events: [],
  })
}
