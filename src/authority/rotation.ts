import { MINUTE, type Instant, type Milliseconds } from '#kernel/instant.ts'
import { isAwaiting, isUnderOfflineRoot } from './offline.ts'
import { AUTHORITY_KINDS, type AuthorityKind, type AuthorityRecord } from './records.ts'
import { activateAt, hasPropagated, prepareAt, retireAt } from './thresholds.ts'

/** What is to be done next, by itself a legal step: whoever crashes between two finds the next one due again. */
export type RotationStep =
  | { readonly step: 'prepare'; readonly kind: AuthorityKind }
  | { readonly step: 'publish' | 'activate' | 'retire'; readonly authority: AuthorityRecord }

/** The kinds that a server of today has. Roots are made by a ceremony, never by rotation. */
export const ROTATED_KINDS = [
  'x509',
  'jwt-svid',
  'wit-svid',
  'access-token',
  'status',
  'events',
] as const satisfies readonly AuthorityKind[]

/** A preparation takes seconds; one that is older was given up. */
const PREPARATION: Milliseconds = 5 * MINUTE

export interface RotationFacts {
  readonly records: readonly AuthorityRecord[]
  readonly now: Instant
  /** The longest life of anything that an authority signs. */
  readonly longestLeaf: Milliseconds
}

/** The steps that are due, at most one for each authority. Pure. */
export function dueSteps(facts: RotationFacts): readonly RotationStep[] {
  const isOffline = isUnderOfflineRoot(facts.records)
  return ROTATED_KINDS.flatMap((kind) => {
    const records = facts.records.filter((record) => record.kind === kind)
    const steps = [...givenUp(records, facts.now), ...succession(kind, records, facts.now), ...endings(records, facts)]
    // What a ceremony has to sign is asked for by people: a request that nobody carries to the root helps nobody.
    return kind === 'x509' && isOffline ? steps.filter(({ step }) => step !== 'prepare') : steps
  })
}

export function isHalfMade(record: AuthorityRecord): boolean {
  const needsCertificate: readonly AuthorityKind[] = ['x509-root', 'x509', 'ocsp']
  return record.state === 'prepared' && record.certificate === null && needsCertificate.includes(record.kind)
}

function givenUp(records: readonly AuthorityRecord[], now: Instant): readonly RotationStep[] {
  const old = records.filter(
    (record) => isHalfMade(record) && !isAwaiting(record) && now > record.createdAt + PREPARATION,
  )
  return old.map((authority) => ({ step: 'retire', authority }))
}

function succession(kind: AuthorityKind, records: readonly AuthorityRecord[], now: Instant): readonly RotationStep[] {
  const active = records.find(({ state }) => state === 'active')
  const next = successorOf(active, records)
  if (active !== undefined && now < prepareAt(active)) return []
  if (next === undefined) return records.some(isBegun(active, now)) ? [] : [{ step: 'prepare', kind }]
  if (next.state === 'prepared') return [{ step: 'publish', authority: next }]
  return mayTakeOver(next, active, now) ? [{ step: 'activate', authority: next }] : []
}

/** Being made at this moment; or made for this very change, and ending no later, since the root does not last longer. */
function isBegun(active: AuthorityRecord | undefined, now: Instant): (record: AuthorityRecord) => boolean {
  return (record) => {
    if (isHalfMade(record)) return now <= record.createdAt + PREPARATION
    return isUnused(record) && active !== undefined && record.createdAt >= prepareAt(active)
  }
}

function isUnused({ state, activatedAt }: AuthorityRecord): boolean {
  return (state === 'prepared' || state === 'published') && activatedAt === null
}

/**
 * One that is ready, outlives the active one and never was active: what an operator took back is not for a machine to
 * bring in again. The furthest along is preferred, then the one that ends first, so that another is left to follow it.
 */
function successorOf(
  active: AuthorityRecord | undefined,
  records: readonly AuthorityRecord[],
): AuthorityRecord | undefined {
  const ready = records.filter(
    (record) => isUnused(record) && !isHalfMade(record) && (active === undefined || record.notAfter > active.notAfter),
  )
  const [soonest] = ready.toSorted((left, right) => left.notAfter - right.notAfter)
  return ready.find(({ state }) => state === 'published') ?? soonest
}

/** Without an active one there is nothing to wait for. */
function mayTakeOver(next: AuthorityRecord, active: AuthorityRecord | undefined, now: Instant): boolean {
  if (active === undefined || now >= active.notAfter) return true
  return now >= activateAt(active) && next.publishedAt !== null && hasPropagated(next.publishedAt, now)
}

function endings(records: readonly AuthorityRecord[], { now, longestLeaf }: RotationFacts): readonly RotationStep[] {
  const since = records.find(({ state }) => state === 'active')?.activatedAt ?? null
  if (since === null || now < retireAt(since, longestLeaf)) return []
  const over = records.filter(
    ({ state, activatedAt }) => state === 'retiring' || (state === 'published' && activatedAt !== null),
  )
  return over.map((authority) => ({ step: 'retire', authority }))
}

/** The kinds of which there is no authority that could sign, now or after normal steps. */
export function missingKinds(records: readonly AuthorityRecord[]): readonly AuthorityKind[] {
  const present = new Set(records.filter(({ state }) => state === 'active').map(({ kind }) => kind))
  return AUTHORITY_KINDS.filter(
    (kind) => (ROTATED_KINDS as readonly AuthorityKind[]).includes(kind) && !present.has(kind),
  )
}
