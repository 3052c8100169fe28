import type { Instant } from '#kernel/instant.ts'

export const CUTOFF_KINDS = [
  'trust-domain',
  'authority',
  'node',
  'agent',
  'agent-tokens',
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
