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
  /** Id of the agent whose instances work under it. */
  readonly agent: string
  /** The one that works under it; null where an orchestrator leaves that to any of them. */
  readonly instance: string | null
  readonly owner: string
  /** A SPIFFE ID (the agent works for itself) or `user:<issuer name>:<sub>`. */
  readonly subject: string
  /** SHA-256 of the proof of the subject, hex; null when the agent is the subject, or an orchestrator asserted it. */
  readonly subjectProof: string | null
  readonly authority: readonly AuthorizationDetail[]
  /** Correlates everything done under it (`txn`). */
  readonly transaction: string
  readonly deadline: Instant
  readonly maxDepth: number
  readonly maxDerivations: number
  readonly state: TaskState
  readonly version: number
  /** SPIFFE ID of the agent's instance, or the subject of the orchestrator, that opened it. */
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
