import type { Instant } from '#kernel/instant.ts'

/** One enrollment by a secret that an operator hands out. The secret itself is never stored. */
export interface JoinTokenRecord {
  readonly id: string
  /** SHA-256 of the token, hex. */
  readonly hash: string
  /** Id of the agent that it names. */
  readonly agent: string
  readonly createdBy: string
  readonly createdAt: Instant
  readonly expiresAt: Instant
  readonly redeemedAt: Instant | null
  /** SHA-256 of the CSR that it was redeemed for, hex: a lost answer may be asked for again with the same one. */
  readonly redeemedCsr: string | null
  /** The instance that the redemption created. */
  readonly instance: string | null
  readonly deletedAt: Instant | null
}

/** An attestation in progress that needs more than one round trip; any replica can go on. */
export interface EnrollSessionRecord {
  /** SHA-256 of the session id, hex. */
  readonly hash: string
  readonly attestor: string
  readonly state: 'challenged' | 'finished' | 'failed'
  /** What the attestor needs to check the answer. */
  readonly context: Readonly<Record<string, string>>
  readonly expiresAt: Instant
}
