import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { SECURITY_EVENTS } from '#jwt/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { newId } from '#kernel/ids.ts'
import { instant, type Instant } from '#kernel/instant.ts'
import type { SsfStreamRecord } from '#revocation/index.ts'
import { recordingDenials } from '../recorded-story.ts'
import type { Change, Reader } from '../ports.ts'
import { ssfError } from './errors.ts'
import { streamLeaf } from './leaf.ts'
import type { SsfPorts } from './ports.ts'
import { findStream, placesOf, streamsOf, type ReceiverPlace } from './receiver.ts'
import { sealAuthorization } from './sealing.ts'

export const PUSH_METHOD = 'urn:ietf:rfc:8935'
export const POLL_METHOD = 'urn:ietf:rfc:8936'

/** What a receiver gets that does not say what it wants; `stream-updated` and `verification` come anyway. */
const USUAL_EVENTS: readonly string[] = [SECURITY_EVENTS.sessionRevoked, SECURITY_EVENTS.credentialChange]
/** The last is told only to those who ask for it: no profile knows it. */
export const EVENTS_SUPPORTED: readonly string[] = [...USUAL_EVENTS, SECURITY_EVENTS.taskState]

/** Of one receiver, over all of its resources. */
const MOST_STREAMS = 8
const ATTEMPTS = 10

/** What a receiver says of a stream. Undefined is left as it is; null takes it away. */
export interface StreamRequest {
  readonly audience?: string | undefined
  readonly delivery?: DeliveryRequest | undefined
  readonly events?: readonly string[] | undefined
  readonly description?: string | null | undefined
}

export interface DeliveryRequest {
  readonly method: string
  readonly endpoint?: string | undefined
  readonly authorization?: string | undefined
}

/**
 * A new stream (SSF 1.0 section 8.1.1.1): from here on, for one resource of the caller. Without `delivery` it is polled.
 * @throws SSF_RECEIVER_UNKNOWN, SSF_AUDIENCE_AMBIGUOUS, SSF_DELIVERY_UNSUPPORTED, SSF_ENDPOINT_FORBIDDEN,
 *   SSF_STREAMS_TOO_MANY
 */
export function createStream(ports: SsfPorts, caller: Caller, request: StreamRequest): Promise<SsfStreamRecord> {
  const attempt = { type: 'stream.created', actor: caller.name, object: 'stream' }
  return recordingDenials(ports, attempt, async (watched) => {
    for (let left = ATTEMPTS - 1; ; left--) {
      try {
        return await createOnce(watched, caller, request)
      } catch (error) {
        if (left === 0 || !isWritError(error, 'SSF_STREAM_CHANGED')) throw error
      }
    }
  })
}

async function createOnce(watched: SsfPorts, caller: Caller, request: StreamRequest): Promise<SsfStreamRecord> {
  // 1. Whom the caller receives for.
  const place = chosen(await placesOf(watched, caller), request.audience)
  const counted = await countStreams(watched, caller)
  // 2. How, and from where in the outbox on.
  const now = watched.clock.now()
  const id = newId('stream', now, watched.random)
  const row: SsfStreamRecord = {
    ...place,
    ...(await deliveryOf(watched, id, request.delivery)),
    id,
    events: request.events ?? USUAL_EVENTS,
    description: request.description ?? null,
    state: 'enabled',
    reason: null,
    position: await newestPosition(watched.reader),
    version: 1,
    createdAt: now,
  }
  // 3. Commit.
  await record(watched.journal, {
    lock: 'none',
    guards: [],
    changes: [{ op: 'insert', table: 'SsfStream', row, refuse: () => ssfError('SSF_STREAM_CHANGED') }, counted(now)],
    leaf: streamLeaf({ type: 'stream.created', actor: caller.name, stream: id }, { delivery: row.delivery }),
    events: [],
  })
  return row
}

/**
 * Room for one more. What it answers goes into the commit, which is refused when another stream was made since: of any
 * number at once, on whichever replicas, there are never too many.
 */
async function countStreams(ports: SsfPorts, caller: Caller): Promise<(now: Instant) => Change> {
  const name = `ssf-streams:${caller.requireAgent().agent.id}`
  const mark = await ports.reader.find('Mark', { name })
  const { length: before } = await streamsOf(ports, caller)
  if (before >= MOST_STREAMS) throw ssfError('SSF_STREAMS_TOO_MANY')
  const refuse = () => ssfError('SSF_STREAM_CHANGED')
  return (now) => {
    if (mark === null) return { op: 'insert', table: 'Mark', row: { name, at: now }, refuse }
    const at = instant(Math.max(now, mark.at + 1))
    return { op: 'update', table: 'Mark', where: { name, at: mark.at }, set: { at }, refuse }
  }
}

function chosen(places: readonly ReceiverPlace[], audience: string | undefined): ReceiverPlace {
  const fitting = audience === undefined ? places : places.filter((place) => place.audience === audience)
  const [place, another] = fitting
  if (place === undefined) throw ssfError('SSF_RECEIVER_UNKNOWN')
  if (another !== undefined) throw ssfError('SSF_AUDIENCE_AMBIGUOUS')
  return place
}

type Delivery = Pick<SsfStreamRecord, 'delivery' | 'endpoint' | 'authorization'>

async function deliveryOf(ports: SsfPorts, stream: string, asked: DeliveryRequest | undefined): Promise<Delivery> {
  if (asked === undefined || asked.method === POLL_METHOD) {
    return { delivery: 'poll', endpoint: null, authorization: null }
  }
  const { method, endpoint, authorization } = asked
  if (method !== PUSH_METHOD || endpoint === undefined) throw ssfError('SSF_DELIVERY_UNSUPPORTED')
  await ports.push.check(endpoint)
  const sealed: Bytes | null =
    authorization === undefined ? null : await sealAuthorization(ports, stream, authorization)
  return { delivery: 'push', endpoint, authorization: sealed }
}

/** Where the outbox ends now. */
export async function newestPosition(reader: Reader): Promise<number> {
  const query = { where: { position: { gte: 0 } }, orderBy: 'position', direction: 'descending', limit: 1 } as const
  return (await reader.list('Outbox', query)).at(0)?.position ?? -1
}

export interface StreamChange extends StreamRequest {
  readonly id: string
  /** `replace` takes what the request does not name back to what it is in a new stream. */
  readonly how: 'update' | 'replace'
}

/** @throws SSF_STREAM_UNKNOWN, SSF_STREAM_MISMATCH, SSF_STREAM_CHANGED, and as createStream */
export function changeStream(ports: SsfPorts, caller: Caller, request: StreamChange): Promise<SsfStreamRecord> {
  const attempt = { type: 'stream.changed', actor: caller.name, object: 'stream' }
  return recordingDenials(ports, attempt, async (watched) => {
    const stream = await findStream(watched, caller, request.id)
    if (request.audience !== undefined && request.audience !== stream.audience) throw ssfError('SSF_STREAM_MISMATCH')
    const isKept = request.how === 'update' && request.delivery === undefined
    const set = {
      ...(isKept ? {} : await deliveryOf(watched, stream.id, request.delivery)),
      events: request.events ?? (request.how === 'update' ? stream.events : USUAL_EVENTS),
      description: request.description ?? (request.how === 'update' ? stream.description : null),
      version: stream.version + 1,
    }
    await record(watched.journal, {
      lock: 'none',
      guards: [],
      changes: [updateStream(stream, set)],
      leaf: streamLeaf({ type: 'stream.changed', actor: caller.name, stream: stream.id }),
      events: [],
    })
    return { ...stream, ...set }
  })
}

/** With everything that waits in it. @throws SSF_STREAM_UNKNOWN, SSF_STREAM_CHANGED */
export function deleteStream(ports: SsfPorts, caller: Caller, id: string): Promise<void> {
  const attempt = { type: 'stream.deleted', actor: caller.name, object: 'stream' }
  return recordingDenials(ports, attempt, async (watched) => {
    const { reader, journal } = watched
    const stream = await findStream(watched, caller, id)
    const refuse = () => ssfError('SSF_STREAM_CHANGED')
    const waiting = await reader.list('SsfSet', { where: { stream: stream.id }, limit: 1 })
    const sets: readonly Change[] =
      waiting.length === 0 ? [] : [{ op: 'delete', table: 'SsfSet', where: { stream: stream.id }, refuse }]
    await record(journal, {
      lock: 'none',
      guards: [],
      changes: [{ op: 'delete', table: 'SsfStream', where: { id: stream.id }, refuse }, ...sets],
      leaf: streamLeaf({ type: 'stream.deleted', actor: caller.name, stream: stream.id }),
      events: [],
    })
  })
}

/** Of two changes at once the second is refused. */
export function updateStream(stream: SsfStreamRecord, set: Partial<SsfStreamRecord>): Change {
  const where = { id: stream.id, version: stream.version }
  return { op: 'update', table: 'SsfStream', where, set, refuse: () => ssfError('SSF_STREAM_CHANGED') }
}
