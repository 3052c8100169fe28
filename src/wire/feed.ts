import { z } from 'zod'
import { id, instantText, spiffeIdText, text } from './values.ts'

/** SHA-256, hex. */
const digest = z.string().regex(/^[0-9a-f]{64}$/)
const jti = text(128)
const serial = z.string().regex(/^[0-9a-f]{2,40}$/)
const position = z.int().min(-1)

/**
 * What a receiver can compare with a certificate or token by itself, and how: nothing of it that was issued before
 * `before` is valid. A certificate's issue time is in its attestation extension; a token's is `iat`.
 */
const cutoffFrame = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('trust-domain'), value: text(255), before: instantText }),
  /** Subject key identifier of the authority, hex: the authority key identifier of what it signed. */
  z.object({ kind: z.literal('authority'), value: z.string().regex(/^[0-9a-f]{2,64}$/), before: instantText }),
  /** SPIFFE ID of the agent: of its instances it is the same, or what stands before their last segment. */
  z.object({ kind: z.literal('agent'), value: spiffeIdText, before: instantText }),
  /** The same, but tokens only: of the actor, and of every actor in its chain. */
  z.object({ kind: z.literal('actor'), value: spiffeIdText, before: instantText }),
  /** SHA-256 of the DER SubjectPublicKeyInfo. */
  z.object({ kind: z.literal('spki'), value: digest, before: instantText }),
  /** `task.id` of tokens. */
  z.object({ kind: z.literal('task'), value: id('task'), before: instantText }),
  /** SHA-256 of `iss`, a line feed and `sub` of tokens. */
  z.object({ kind: z.literal('subject'), value: digest, before: instantText }),
])

/**
 * The data of each event of `GET /v1/feed` (text/event-stream), by the name of the event. `id` of an event is its
 * position: whoever comes again with it as `Last-Event-ID` misses nothing. What a receiver cannot compare by itself (a
 * node, a selector, evidence, a lineage, an instance) comes spelled out as certificates and tokens.
 */
export const FEED_FRAMES = {
  /**
   * Everything that is in force follows, and no more of what was before: first of all where a connection begins with the
   * whole view, also where it had asked to go on behind a position that is not kept any more.
   */
  view: z.object({ position }),
  cutoff: cutoffFrame,
  certificate: z.object({ serial }),
  token: z.object({ jti }),
  /** While an agent is suspended its certificates are refused; `active` lets them in again. */
  agent: z.object({ spiffe_id: spiffeIdText, state: z.enum(['active', 'suspended']) }),
  /** Authorities have changed: fetch bundle and keys again. */
  trust: z.object({ sequence: z.int().min(0) }),
  /** Everything that there was up to this position has been sent: from now on the view is complete. */
  ready: z.object({ position, sequence: z.int().min(0) }),
  /** Every five seconds: nothing has happened up to this position that was not sent. */
  heartbeat: z.object({ position, at: instantText }),
  /** For people: something dangerous is about to happen without the approvals that it would need. */
  announcement: z.object({ approval: id('approval'), kind: text(64), effective_at: instantText }),
} as const

export type FeedEvent = keyof typeof FEED_FRAMES
export type FeedFrame<Event extends FeedEvent> = z.output<(typeof FEED_FRAMES)[Event]>

/** Five seconds: a receiver that has heard nothing for longer than its limit denies. */
export const FEED_HEARTBEAT_SECONDS = 5
