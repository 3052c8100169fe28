import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'

/** A leaf of the audit log as stored. `bytes` is the canonical JSON (RFC 8785) that the hash covers, for ever. */
export interface LogLeafRecord {
  /** SHA-256(0x00 ‖ bytes), hex. */
  readonly hash: string
  readonly replica: string
  readonly seq: number
  readonly at: Instant
  readonly type: string
  readonly actor: string
  readonly object: string
  readonly bytes: Bytes
  /** Position in the tree; null until the sequencer has been there. */
  readonly position: number | null
}

/** What a leaf commits to and may have to be erased: salt and bytes, beside the leaf and never in it. */
export interface LogPrivateRecord {
  readonly leaf: string
  readonly name: string
  readonly salt: string
  readonly bytes: Bytes
}

/** How far a duty has come: a moment, or a position of the outbox. Whoever holds its lease goes on from there. */
export interface MarkRecord {
  readonly name: string
  readonly at: number
}

/** A state change for live subscribers and other replicas. */
export interface OutboxRecord {
  readonly id: string
  readonly type: string
  readonly data: JsonObject
  readonly createdAt: Instant
  readonly position: number | null
}
