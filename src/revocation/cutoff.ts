import { after, instant, SECOND, wholeSecond, type Instant } from '#kernel/instant.ts'
import type { WritError } from '#kernel/errors.ts'
import type { CutoffKind, CutoffRecord } from './records.ts'

/** Nothing is issued later: what is cut off until then is dead. */
export const FOR_EVER: Instant = instant(253_402_300_799_000)

export function cutoffKey(kind: CutoffKind, value: string): string {
  return `${kind}:${value}`
}

export interface Cut {
  readonly kind: CutoffKind
  readonly value: string
  readonly before: Instant
  readonly reason: string
}

/**
 * One second past the last issue time, as whole seconds: `iat` has no milliseconds, so a receiver that compares it
 * comes to the same answer as we do.
 */
export function pastEverything(...issueTimes: readonly Instant[]): Instant {
  return after(wholeSecond(instant(Math.max(0, ...issueTimes))), SECOND)
}

/** A guard of a commit, in the form that the store takes. */
export interface CutoffGuard {
  readonly table: 'Cutoff'
  readonly must: 'not-exist'
  readonly where: { readonly key: { readonly in: readonly string[] }; readonly before: { readonly gt: Instant } }
  readonly refuse: () => WritError
}

/** A change of a commit, in the form that the store takes. */
export interface CutoffChange {
  readonly op: 'replace'
  readonly table: 'Cutoff'
  readonly row: CutoffRecord
}

/** Refuses the commit when any of `keys` is cut off for what was issued at `issuedAt`. */
export function liveCutoffGuard(keys: readonly string[], issuedAt: Instant, refuse: () => WritError): CutoffGuard {
  return { table: 'Cutoff', must: 'not-exist', where: { key: { in: keys }, before: { gt: issuedAt } }, refuse }
}

/**
 * The row of a new cutoff, and the guard that goes with it: there is one row for each X, and it only rises. `refuse`
 * is for a cutoff that reaches further already; whoever calls reads that as done.
 */
export function raiseCutoff(
  cut: Cut,
  by: { readonly actor: string; readonly at: Instant },
  refuse: () => WritError,
): { readonly guard: CutoffGuard; readonly change: CutoffChange } {
  const key = cutoffKey(cut.kind, cut.value)
  const row = { key, ...cut, createdBy: by.actor, createdAt: by.at }
  return { guard: liveCutoffGuard([key], cut.before, refuse), change: { op: 'replace', table: 'Cutoff', row } }
}

/** Issue times are compared, never notBefore. */
export function isCutOff(keys: readonly string[], issuedAt: Instant, cutoffs: readonly CutoffRecord[]): boolean {
  return cutoffs.some((cutoff) => cutoff.before > issuedAt && keys.includes(cutoff.key))
}
