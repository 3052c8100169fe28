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
