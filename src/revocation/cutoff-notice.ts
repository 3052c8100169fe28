import { sha256Hex } from '#kernel/digest.ts'
import type { Instant } from '#kernel/instant.ts'
import type { CutoffKind, CutoffRecord } from './records.ts'

/** A cutoff as an event says it: personal values as digests only. Moments are milliseconds, as in the store. */
export type CutoffNotice = {
  readonly kind: CutoffKind
  readonly before: number
} & ({ readonly value: string } | { readonly digest: string })

/** What every event says by which something was taken back: when, and every cutoff of that moment. */
export type RevocationNotice = {
  /** `createdAt` of the cutoffs. */
  readonly at: number
  readonly cutoffs: readonly CutoffNotice[]
}

/** Kinds whose value is, or may be, of a person. */
export const PERSONAL_KINDS: readonly CutoffKind[] = ['subject', 'selector']

/**
 * What an event says of the cutoffs that its commit writes. `digestOf` makes the digest of a subject, which depends on
 * the issuer; only who cuts subjects off has to bring it.
 */
export function revocationNotice(
  at: Instant,
  rows: readonly CutoffRecord[],
  digestOf: (subject: string) => string = sha256Hex,
): RevocationNotice {
  return {
    at,
    cutoffs: rows.map(({ kind, value, before }) => {
      if (!PERSONAL_KINDS.includes(kind)) return { kind, value, before }
      return { kind, digest: kind === 'subject' ? digestOf(value) : sha256Hex(value), before }
    }),
  }
}
