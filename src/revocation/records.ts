import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'

/**
 * `actor` is an agent's id and reaches its task tokens and JWT-SVIDs, and what was derived from them, but not its
 * certificates: it is what suspending an agent leaves behind for good. `agent` reaches its certificates as well.
 */
export const CUTOFF_KINDS = [
  'trust-domain',
  'authority',
  'node',
  'agent',
  'actor',
  'instance',
  'lineage',
  'spki',
  'evidence',
  'selector',
  'task',
  'subject',
  'token',
] as const
export type CutoffKind = (typeof CUTOFF_KINDS)[number]

/** "Nothing of X issued before `before` is valid." `key` is `<kind>:<value>`; there is one row per X, and it only rises. */
export interface CutoffRecord {
  readonly key: string
  readonly kind: CutoffKind
  readonly value: string
  readonly before: Instant
  readonly reason: string
  readonly createdBy: string
  readonly createdAt: Instant
}

/** A certificate that the CRLs of its authority list. Derived from revoked rows and from cutoffs. */
export interface CrlEntryRecord {
  /** Hex. */
  readonly serial: string
  readonly authority: string
  readonly shard: number
  /** Whole seconds. */
  readonly revokedAt: Instant
  readonly reason: string
  readonly notAfter: Instant
  readonly addedAt: Instant
}

/**
 * The newest CRL of a scope. `id` is `<authority>/<scope>`; a scope is the number of a shard, or `complete`. Of a root
 * that only ceremonies open there are many, made in advance, each in a scope of its own: see `advanceScope`.
 */
export interface CrlRecord {
  readonly id: string
  readonly authority: string
  readonly scope: string
  readonly number: number
  readonly der: Bytes
  readonly thisUpdate: Instant
  readonly nextUpdate: Instant
}

/** A stream of security events to one receiver (Shared Signals Framework 1.0 section 8.1). */
export interface SsfStreamRecord {
  readonly id: string
  /** SPIFFE ID of the receiver that made it. */
  readonly client: string
  readonly audience: string
  readonly delivery: 'push' | 'poll'
  readonly endpoint: string | null
  /** What is sent as `Authorization` with a push, sealed. */
  readonly authorization: Bytes | null
  readonly events: readonly string[]
  readonly description: string | null
  readonly state: 'enabled' | 'paused' | 'disabled'
  readonly reason: string | null
  /** Of the outbox: everything up to here has become a security event token of this stream, or concerned it not. */
  readonly position: number
  readonly version: number
  readonly createdAt: Instant
}

/** A security event token that its receiver has not acknowledged. */
export interface SsfSetRecord {
  /** Its `jti`. */
  readonly id: string
  readonly stream: string
  readonly position: number
  readonly token: string
  readonly createdAt: Instant
}
