import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'

export const ROLES = ['viewer', 'auditor', 'operator', 'orchestrator', 'approver', 'ca-admin', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** Who administers: `subject` is a SPIFFE ID, or `local:<uid>` for an OS user through the admin socket. */
export interface PrincipalRecord {
  readonly id: string
  readonly subject: string
  readonly name: string
  readonly roles: readonly Role[]
  /** Whom an orchestrator may open tasks for: `user:<issuer name>:<sub>`, or `user:<issuer name>:*` for all of one. */
  readonly subjects: readonly string[]
  /** Names of the agents that an orchestrator may open tasks of. */
  readonly agents: readonly string[]
  readonly state: 'active' | 'removed'
  readonly version: number
  readonly createdAt: Instant
}

/** A secret that all replicas share and that seals what they hand out; whoever comes first makes it. */
export interface SealingKeyRecord {
  readonly id: string
  readonly secret: Bytes
  readonly expiresAt: Instant
}

/** A `jti` or nonce that must not be seen twice; the key begins with what it is, as in `jwt-svid:<jti>`. */
export interface ReplayRecord {
  readonly key: string
  readonly expiresAt: Instant
}
