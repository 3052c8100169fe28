import type { Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'

/** What one approver said, once; or that whoever asked breaks the glass, and why. */
export interface ApprovalDecision {
  /** As leaves have it: a SPIFFE ID, or `local:<uid>`. */
  readonly by: string
  readonly verdict: 'approve' | 'deny' | 'break_glass'
  readonly at: Instant
  /** Always there with `break_glass`. */
  readonly reason?: string
}

/** Decisions of people over one exact request, good for one use of it. */
export interface ApprovalRecord {
  readonly id: string
  /** What is to be done: `authority.activate`, `credential.revoked`, … */
  readonly kind: string
  /** The exact request, as an approver sees it. */
  readonly request: JsonObject
  /** SHA-256 of the canonical JSON of kind and request, hex. */
  readonly requestDigest: string
  /** How many had to approve when it was asked for, besides whoever asks: `2`, or `2-of-3`. */
  readonly rule: string
  readonly decisions: readonly ApprovalDecision[]
  readonly requestedBy: string
  readonly state: 'pending' | 'approved' | 'denied' | 'used'
  readonly version: number
  readonly createdAt: Instant
  readonly expiresAt: Instant
  /** Of a break-glass request: from when on it may be carried out without approvers. */
  readonly effectiveAt: Instant | null
  readonly usedAt: Instant | null
}
