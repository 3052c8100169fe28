import type { Instant } from '#kernel/instant.ts'

/** One entry of `authorization_details` (RFC 9396) of our type `task`. Absent `identifiers` means unrestricted. */
export interface AuthorizationDetail {
  readonly type: 'task'
  readonly resource: string
  readonly actions: readonly string[]
  readonly identifiers?: readonly string[]
  /** `max_*` integers. */
  readonly constraints?: Readonly<Record<string, number>>
}

export type TaskState = 'pending' | 'active' | 'suspended' | 'completed' | 'revoked' | 'expired'

/** Who may do what to what, for whom, until when. Its authority never changes; more authority is another task. */
export interface TaskRecord {
  readonly id: string
  /** Id of the agent, and the instance that opened it (null when an orchestrator did). */
  readonly agent: string
  readonly instance: string | null
  readonly owner: string
  /** A SPIFFE ID (the agent works for itself) or `user:<issuer name>:<sub>`. */
  readonly subject: string
  /** SHA-256 of the proof of the subject, hex; null when the agent is the subject. */
  readonly subjectProof: string | null
  readonly authority: readonly AuthorizationDetail[]
  /** Correlates everything done under it (`txn`). */
  readonly transaction: string
  readonly deadline: Instant
  readonly maxDepth: number
  readonly maxDerivations: number
  readonly state: TaskState
  readonly version: number
  readonly createdBy: string
  readonly createdAt: Instant
  readonly endedAt: Instant | null
}

export interface TaskTokenRecord {
  readonly jti: string
  readonly task: string
  readonly parent: string | null
  /** Every token above it, nearest last. */
  readonly ancestors: readonly string[]
  readonly actor: string
  readonly agent: string
  readonly instance: string
  readonly audience: string
  /** `x5t#S256:<base64url>` or `jkt:<base64url>`. */
  readonly confirmation: string
  /** Serial (hex) of the certificate that the actor authenticated with. */
  readonly certificate: string
  readonly statusIndex: number
  readonly issuedAt: Instant
  readonly expiresAt: Instant
  readonly revokedAt: Instant | null
}
