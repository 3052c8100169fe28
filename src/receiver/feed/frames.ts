import { isWritError } from '#kernel/errors.ts'
import { parseId } from '#kernel/ids.ts'
import { fromRfc3339, type Instant } from '#kernel/instant.ts'
import { parseJson, type JsonObject, type JsonValue } from '#kernel/json.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { receiverError } from '../errors.ts'

/** What a cutoff reaches; see the wire format of the feed. */
export type FeedCutoffKind = 'trust-domain' | 'authority' | 'agent' | 'actor' | 'spki' | 'task' | 'subject'

/** Nothing of `value` that was issued before `before` is valid. */
export interface FeedCutoff {
  readonly event: 'cutoff'
  readonly kind: FeedCutoffKind
  readonly value: string
  readonly before: Instant
}

/** One event of the feed, read. */
export type FeedFrame =
  | FeedCutoff
  | { readonly event: 'view'; readonly position: number }
  | { readonly event: 'certificate'; readonly serial: string }
  | { readonly event: 'token'; readonly jti: string }
  | { readonly event: 'agent'; readonly spiffeId: string; readonly isSuspended: boolean }
  | { readonly event: 'trust'; readonly sequence: number }
  | { readonly event: 'ready'; readonly position: number; readonly sequence: number }
  | { readonly event: 'heartbeat'; readonly position: number }

type Reader = (data: JsonObject) => FeedFrame

const VALUES: Readonly<Record<FeedCutoffKind, (value: string) => boolean>> = {
  'trust-domain': isText(255),
  authority: (value) => /^[0-9a-f]{2,64}$/.test(value),
  agent: isSpiffeId,
  actor: isSpiffeId,
  spki: isDigest,
  task: (value) => accepts(() => parseId('task', value)),
  subject: isDigest,
}

const READERS: Readonly<Record<FeedFrame['event'], Reader>> = {
  view: (data) => ({ event: 'view', position: whole(data, 'position', -1) }),
  cutoff: (data) => {
    const kind = text(data, 'kind', (value) => Object.hasOwn(VALUES, value)) as FeedCutoffKind
    return { event: 'cutoff', kind, value: text(data, 'value', VALUES[kind]), before: moment(data, 'before') }
  },
  certificate: (data) => ({
    event: 'certificate',
    serial: text(data, 'serial', (value) => /^[0-9a-f]{2,40}$/.test(value)),
  }),
  token: (data) => ({ event: 'token', jti: text(data, 'jti', isText(128)) }),
  agent: (data) => {
    const state = text(data, 'state', (value) => value === 'active' || value === 'suspended')
    return { event: 'agent', spiffeId: text(data, 'spiffe_id', isSpiffeId), isSuspended: state === 'suspended' }
  },
  trust: (data) => ({ event: 'trust', sequence: whole(data, 'sequence', 0) }),
  ready: (data) => ({
    event: 'ready',
    position: whole(data, 'position', -1),
    sequence: whole(data, 'sequence', 0),
  }),
  heartbeat: (data) => {
    moment(data, 'at')
    return { event: 'heartbeat', position: whole(data, 'position', -1) }
  },
}

/**
 * Reads one event as the feed's wire format has it. Members that nobody knows are passed over, and so are events: the
 * format grows by addition, and what an old receiver cannot compare is spelled out for it. Null for such an event.
 * @throws RECEIVER_FEED_MALFORMED
 */
export function readFrame(name: string, data: string): FeedFrame | null {
  if (!Object.hasOwn(READERS, name)) return null
  return READERS[name as FeedFrame['event']](objectOf(data))
}

function objectOf(data: string): JsonObject {
  try {
    const value = parseJson(data)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw malformed('json')
  }
  throw malformed('json')
}

function member(data: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(data, name) ? data[name] : undefined
}

function text(data: JsonObject, name: string, isGood: (value: string) => boolean): string {
  const value = member(data, name)
  if (typeof value === 'string' && isGood(value)) return value
  throw malformed(name)
}

function whole(data: JsonObject, name: string, least: number): number {
  const value = member(data, name)
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
  throw malformed(name)
}

function moment(data: JsonObject, name: string): Instant {
  return fromRfc3339(text(data, name, (value) => value.length <= 32 && accepts(() => fromRfc3339(value))))
}

function isText(most: number): (value: string) => boolean {
  return (value) => value.length >= 1 && value.length <= most && /^[^\p{Cc}\p{Cs}]*$/u.test(value)
}

function isDigest(value: string): boolean {
  return /^[0-9a-f]{64}$/.test(value)
}

function isSpiffeId(value: string): boolean {
  return accepts(() => SpiffeId.parse(value))
}

function accepts(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch (error) {
    if (isWritError(error)) return false
    throw error
  }
}

/** The member, and nothing of what stood there: whoever sent it chose it. */
function malformed(problem: string): Error {
  return receiverError('RECEIVER_FEED_MALFORMED', { details: { problem } })
}
