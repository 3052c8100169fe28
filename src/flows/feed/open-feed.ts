import type { Caller } from '#authentication/index.ts'
import type { ResourceRecord } from '#registry/index.ts'
import { resourcesOf } from './audiences.ts'
import { feedError } from './errors.ts'
import type { FeedHub } from './feed-hub.ts'
import { newestPosition, oldestPosition, readEvents } from './follow.ts'
import { concerns, frame, piecesOf, textOf, type Frame } from './frame.ts'
import type { FramePorts } from './frames-of-cutoff.ts'
import { framesOfEvent, isQuiet } from './frames-of-event.ts'
import { fullView } from './full-view.ts'
import type { Listener } from './listener.ts'

export interface FeedPorts extends FramePorts {
  readonly feed: FeedHub
}

export interface FeedRequest {
  /** The `Last-Event-ID` of a reader who comes back. */
  readonly lastEventId: string | null
  /** Who is calling, as it stands at that moment. @throws as authenticating does, once it is no more */
  readonly again: () => Promise<Caller>
  /** The reader is gone, or the server stops. */
  readonly signal: AbortSignal
}

/** More than this is sent faster as what is in force now. */
const MOST_REPLAYED = 100_000
const MOST_ADDED = 1000

/**
 * Everything that was taken back and that the receiver could still be shown, then everything that is, as it happens:
 * as server-sent events, of the receiver's audiences only. Whoever comes back with the id of an event goes on behind
 * it, or begins anew where that is too long ago.
 * @throws AUTHENTICATION_REQUIRED, CALLER_NOT_AGENT, AGENT_SUSPENDED, FEED_NOT_REGISTERED, FEED_POSITION_INVALID
 */
export async function openFeed(ports: FeedPorts, caller: Caller, request: FeedRequest): Promise<AsyncIterable<string>> {
  // 1. A receiver: somebody who acts for a registered resource.
  const resources = await ownResources(ports, caller)
  // 2. Up to now, whatever other replicas have done.
  await ports.feed.catchUp()
  // 3. From where.
  const from = await startOf(ports, request.lastEventId, resources)
  // 4. First what there was, then what comes; nothing of it is computed before it is read.
  return streamOf(ports, request, { from, resources })
}

interface Start {
  /** Position behind which to continue; null for the whole view. */
  readonly from: number | null
  readonly resources: readonly ResourceRecord[]
}

async function* streamOf(ports: FeedPorts, request: FeedRequest, start: Start): AsyncGenerator<string> {
  const { feed, authorities } = ports
  const audiences = new Set(start.resources.map(({ audience }) => audience))
  const listener = feed.join(audiences)
  const stop = (): void => {
    feed.leave(listener)
  }
  request.signal.addEventListener('abort', stop)
  try {
    if (isGone(request)) return
    // Whoever asked to go on forgets what it knows: what was over by then is not in the view.
    if (start.from === null) yield textOf([frame('view', { position: listener.since }, null)], null)
    const past = start.from === null ? whole(ports) : since(ports, start.from, listener.since)
    for await (const { position, frames } of past) {
      const own = frames.filter((one) => concerns(one, audiences))
      feed.sent(own.length)
      yield* piecesOf(own, position)
      if (isGone(request)) return
    }
    const sequence = Number(authorities.current().sequence)
    yield textOf([frame('ready', { position: listener.since, sequence }, null)], listener.since)
    yield* live(ports, request, { listener, audiences })
  } finally {
    request.signal.removeEventListener('abort', stop)
    stop()
  }
}

async function* live(
  ports: FeedPorts,
  request: FeedRequest,
  { listener, audiences }: { readonly listener: Listener; readonly audiences: ReadonlySet<string> },
): AsyncGenerator<string> {
  for (;;) {
    const batches = await listener.next()
    if (batches === null) return
    // Whoever may not hear it any more, or may hear more by now, hears nothing more here.
    const resources = await ownResources(ports, await request.again())
    if (!isSame(resources, audiences)) throw feedError('FEED_AUDIENCES_CHANGED')
    for (const { position, frames } of batches) {
      ports.feed.sent(frames.length)
      yield* piecesOf(frames, position)
    }
  }
}

function isGone({ signal }: FeedRequest): boolean {
  return signal.aborted
}

interface Past {
  /** Null within the whole view, which has no place to continue from before it is complete. */
  readonly position: number | null
  readonly frames: readonly Frame[]
}

async function* whole(ports: FeedPorts): AsyncGenerator<Past> {
  for await (const frames of fullView(ports)) yield { position: null, frames }
}

async function* since(ports: FeedPorts, from: number, until: number): AsyncGenerator<Past> {
  for (let position = from; position < until;) {
    const events = await readEvents(ports.reader, position)
    for (const event of events.filter((one) => one.position <= until && !isQuiet(one))) {
      yield { position: event.position, frames: await framesOfEvent(ports, event) }
    }
    position = events.at(-1)?.position ?? until
  }
}

/** @throws FEED_POSITION_INVALID */
async function startOf(
  ports: FeedPorts,
  lastEventId: string | null,
  resources: readonly ResourceRecord[],
): Promise<number | null> {
  if (lastEventId === null) return null
  if (!/^(-1|0|[1-9]\d{0,14})$/.test(lastEventId)) throw feedError('FEED_POSITION_INVALID')
  const position = Number(lastEventId)
  const newest = await newestPosition(ports.reader)
  if (position > newest) throw feedError('FEED_POSITION_INVALID')
  return (await canContinue(ports, { position, newest, resources })) ? position : null
}

async function canContinue(
  { reader }: FeedPorts,
  { position, newest, resources }: { position: number; newest: number; resources: readonly ResourceRecord[] },
): Promise<boolean> {
  if (newest === -1) return true
  const isKept = position + 1 >= (await oldestPosition(reader))
  if (!isKept || newest - position > MOST_REPLAYED) return false
  // What there was for a resource before it was registered has not been sent to this reader.
  const where = { position: { gt: position }, type: 'resource.added' }
  const added = await reader.list('Outbox', { where, orderBy: 'position', limit: MOST_ADDED })
  if (added.length === MOST_ADDED) return false
  const own = new Set(resources.map(({ id }) => id))
  return !added.some(({ data }) => typeof data['resource'] === 'string' && own.has(data['resource']))
}

async function ownResources({ feed, profile }: FeedPorts, caller: Caller): Promise<readonly ResourceRecord[]> {
  return resourcesOf(caller, await feed.resources.read(), profile.trustDomain.name)
}

function isSame(resources: readonly ResourceRecord[], audiences: ReadonlySet<string>): boolean {
  return resources.length === audiences.size && resources.every(({ audience }) => audiences.has(audience))
}
