import { concat, utf8, type Bytes } from '#kernel/bytes.ts'
import { sha256Hex } from '#kernel/digest.ts'
import { toRfc3339, type Instant } from '#kernel/instant.ts'
import { canonicalize } from '#kernel/json.ts'
import { auditError } from './errors.ts'

/**
 * What a story wants written down. The journal adds `v`, `at`, `replica` and `seq`, and for a commit that is refused
 * turns the decision into `deny:<CODE>`.
 */
export interface LeafDraft {
  /** What happened, as `<noun>.<verb>`: `certificate.intent`, `certificate.issued`, `token.issued`, `task.completed`. */
  readonly type: string
  /** A SPIFFE ID, `local:<uid>`, `anonymous` or `system`. */
  readonly actor: string
  /** The id of what it happened to, with its kind: `certificate:01ab…`. */
  readonly object: string
  readonly decision: 'permit' | `deny:${string}`
  /** SHA-256 of the canonical decision input, `sha-256:<hex>`; null where nothing was decided. */
  readonly inputDigest: string | null
  /** Digest of the policy that decided; null where none did. */
  readonly policy: string | null
  /** What else is fixed by this leaf, name to digest or id: never personal data, never a token. */
  readonly commitments: Readonly<Record<string, string>>
  /** Personal data and the decision's input, kept beside the leaf under salted commitments, erasable. */
  readonly private?: Readonly<Record<string, string>>
}

/** Where a leaf stands: when, and as which of its replica's leaves. `seq` has no gaps within a replica. */
export interface LeafPlace {
  readonly at: Instant
  readonly replica: string
  readonly seq: number
}

export interface EncodedLeaf {
  /** Canonical JSON (RFC 8785), leaf version 1. */
  readonly bytes: Bytes
  /** SHA-256(0x00 ‖ bytes), hex: the leaf hash of RFC 9162 section 2.1. */
  readonly hash: string
}

/** Nobody can fill the log with one leaf, and an entry of a tile stays far below its 64 KiB. */
const MAX_LEAF_BYTES = 16 * 1024

const TYPE = /^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+$/
const DECISION = /^(permit|deny:[A-Z][A-Z0-9_]*)$/
const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/
const LEAF_PREFIX = Uint8Array.of(0)

/**
 * Writes a leaf of version 1: `{v, at, replica, seq, type, actor, object, decision, input_digest, policy,
 * commitments}`. The form is fixed for ever; what is `private` in the draft is not looked at.
 * @throws AUDIT_LEAF_INVALID when a member does not have its form or the whole is longer than 16 KiB
 */
export function encodeLeaf(draft: LeafDraft, place: LeafPlace): EncodedLeaf {
  checkDraft(draft)
  const bytes = utf8(
    canonicalize({
      v: 1,
      at: toRfc3339(place.at),
      replica: place.replica,
      seq: place.seq,
      type: draft.type,
      actor: draft.actor,
      object: draft.object,
      decision: draft.decision,
      input_digest: draft.inputDigest,
      policy: draft.policy,
      commitments: draft.commitments,
    }),
  )
  if (bytes.length > MAX_LEAF_BYTES) throw auditError('AUDIT_LEAF_INVALID', { details: { bytes: bytes.length } })
  return { bytes, hash: leafHash(bytes) }
}

/** RFC 9162 section 2.1: SHA-256(0x00 ‖ leaf), hex. */
export function leafHash(bytes: Bytes): string {
  return sha256Hex(concat(LEAF_PREFIX, bytes))
}

function checkDraft(draft: LeafDraft): void {
  const wellFormed = TYPE.test(draft.type) && DECISION.test(draft.decision) && draft.actor !== '' && draft.object !== ''
  if (!wellFormed) throw auditError('AUDIT_LEAF_INVALID', { details: { type: draft.type, decision: draft.decision } })
  const foreign = Object.keys(draft.commitments).find((name) => !NAME.test(name))
  if (foreign !== undefined) throw auditError('AUDIT_LEAF_INVALID', { details: { type: draft.type } })
}
