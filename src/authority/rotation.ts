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
  'checkpoint',
] as const satisfies readonly AuthorityKind[]
export type RotatedKind = (typeof ROTATED_KINDS)[number]

/** A preparation takes seconds; one that is older was given up. */
const PREPARATION: Milliseconds = 5 * MINUTE

export interface RotationFacts {
  readonly records: readonly AuthorityRecord[]
  readonly now: Instant
  /** The longest life of anything that an authority signs. */
  readonly longestLeaf: Milliseconds
  /** Whether a self-rooted trust domain keeps one that never signed published at all times (decision 0022). */
  readonly standby?: boolean
}

/** The steps that are due, at most one for each authority. Pure. */
export function dueSteps(facts: RotationFacts): readonly RotationStep[] {
  const root = facts.records.find(({ kind, state }) => kind === 'x509-root' && state === 'active')?.id ?? null
  return ROTATED_KINDS.flatMap((kind) => {
    const records = facts.records.filter((record) => record.kind === kind)
    const steps = [
      ...givenUp(records, facts.now),
      ...(kind === 'x509' ? issuingSteps(facts, records, root) : succession(lineOf(kind, facts, records))),
      ...endings(records, facts),
    ]
    // What a ceremony has to sign is asked for by people: a request that nobody carries to the root helps nobody.
    const isAsked = kind === 'x509' && isUnderOfflineRoot(facts.records)
    return isAsked ? steps.filter(({ step }) => step !== 'prepare') : steps
  })
}

function lineOf(kind: AuthorityKind, { now }: RotationFacts, records: readonly AuthorityRecord[]): Line {
  return { kind, active: records.find(({ state }) => state === 'active'), records, now }
}

/** Authorities that sign certificates: under the root of now, or each its own root, and then with one in reserve. */
function issuingSteps(
  facts: RotationFacts,
  records: readonly AuthorityRecord[],
  root: string | null,
): readonly RotationStep[] {
  const line = lineOf('x509', facts, records)
  const { active } = line
  if (active === undefined) return succession(line)
  const move = active.issuer === root ? null : moveTo(root, line)
  if (move !== null && (move.records.length > 0 || !isUnderOfflineRoot(facts.records))) return succession(move)
  if (facts.standby !== true || active.issuer !== null) return succession(line)
  const reserved = { ...line, isReserved: true }
  const following = succession(reserved)
  return following.length > 0 ? following : reserve(reserved, active)
}

interface Line {
  readonly kind: AuthorityKind
  readonly active: AuthorityRecord | undefined
  readonly records: readonly AuthorityRecord[]
  readonly now: Instant
  /** True when the active one has to go at once, whatever is left of its life. */
  readonly isUrgent?: boolean
  /** True where one more is kept for emergencies, which is not to sign otherwise. */
  readonly isReserved?: boolean
}

/** Another root signs now: what it signs takes over as soon as it is known, so that the old root can go. */
function moveTo(root: string | null, line: Line): Line {
  return { ...line, records: line.records.filter(({ issuer }) => issuer === root), isUrgent: true }
}

export function isHalfMade(record: AuthorityRecord): boolean {
  const needsCertificate: readonly AuthorityKind[] = ['x509-root', 'x509', 'ocsp']
  return record.state === 'prepared' && record.certificate === null && needsCertificate.includes(record.kind)
}

/** What never got its certificate, and what has ended before it was needed. */
function givenUp(records: readonly AuthorityRecord[], now: Instant): readonly RotationStep[] {
  const old = records.filter((record) => {
    const isForgotten = isHalfMade(record) && !isAwaiting(record) && now > record.createdAt + PREPARATION
    return isForgotten || (isReady(record) && now >= record.notAfter)
  })
  return old.map((authority) => ({ step: 'retire', authority }))
}

function succession(line: Line): readonly RotationStep[] {
  const { kind, active, records, now } = line
  const next = successorOf(line)
  if (active !== undefined && now < prepareAt(active) && line.isUrgent !== true) return []
  if (next === undefined) return records.some(isBegun(line)) ? [] : [{ step: 'prepare', kind }]
  if (next.state === 'prepared') return [{ step: 'publish', authority: next }]
  return mayTakeOver(next, line) ? [{ step: 'activate', authority: next }] : []
}

/**
 * In a self-rooted trust domain the bundle holds the issuing authorities themselves: who does not know the next one is
 * locked out when the active one is tainted. So that one which never signed is known at all times, and lasts longer than
 * the active one. What it replaces stays until others know it.
 */
function reserve({ kind, records, now }: Line, active: AuthorityRecord): readonly RotationStep[] {
  const lasts = (record: AuthorityRecord) => outlasts(record, active)
  const unused = records.filter((record) => isReady(record) && now < record.notAfter)
  const published = unused.filter((record) => record.state === 'published' && lasts(record))
  if (published.some((record) => isKnown(record, now))) {
    return unused.filter((record) => !lasts(record)).map((authority) => ({ step: 'retire', authority }))
  }
  if (published.length > 0 || records.some((record) => isBeingMade(record, now))) return []
  const [ready] = furthestAlong(unused.filter(lasts), now)
  return ready === undefined ? [{ step: 'prepare', kind }] : [{ step: 'publish', authority: ready }]
}

/** Whether an authority waits for emergencies only: one made later is to follow the active one. */
export function isStandby(record: AuthorityRecord, records: readonly AuthorityRecord[]): boolean {
  const active = records.find(({ kind, state }) => kind === record.kind && state === 'active')
  if (record.kind !== 'x509' || active?.issuer !== null) return false
  return record.state === 'published' && isUnused(record) && outlasts(record, active) && !isFresh(record, active)
}

/** Certificates end with whole seconds: what was made in the same one, but later, is as good as one that ends later. */
function outlasts({ notAfter, createdAt }: AuthorityRecord, active: AuthorityRecord): boolean {
  return notAfter > active.notAfter || (active.activatedAt !== null && createdAt >= active.activatedAt)
}

/** Everybody who follows the refresh hint trusts it. */
function isKnown({ publishedAt }: AuthorityRecord, now: Instant): boolean {
  return publishedAt !== null && hasPropagated(publishedAt, now)
}

/** Those that others know first, then what is published, and of these what lasts longest. */
function furthestAlong(records: readonly AuthorityRecord[], now: Instant): readonly AuthorityRecord[] {
  const rank = (record: AuthorityRecord) => (record.state === 'published' ? 1 : 0) + (isKnown(record, now) ? 1 : 0)
  return records.toSorted((left, right) => rank(right) - rank(left) || right.notAfter - left.notAfter)
}

/** Being made at this moment; or made for this very change, and ending no later, since the root does not last longer. */
function isBegun({ active, now }: Line): (record: AuthorityRecord) => boolean {
  return (record) => {
    if (isHalfMade(record)) return isBeingMade(record, now)
    return isUnused(record) && now < record.notAfter && active !== undefined && isFresh(record, active)
  }
}

function isBeingMade(record: AuthorityRecord, now: Instant): boolean {
  return isHalfMade(record) && now <= record.createdAt + PREPARATION
}

/** Made to follow the active one, in the second half of its life. */
function isFresh({ createdAt }: AuthorityRecord, active: AuthorityRecord): boolean {
  return createdAt >= prepareAt(active)
}

function isUnused({ state, activatedAt }: AuthorityRecord): boolean {
  return (state === 'prepared' || state === 'published') && activatedAt === null
}

function isReady(record: AuthorityRecord): boolean {
  return isUnused(record) && !isHalfMade(record)
}

/**
 * One that is ready, outlives the active one and never was active: what an operator took back is not for a machine to
 * bring in again. Where one is kept in reserve, the freshest; it is the reserve itself only when nothing signs any more.
 * Otherwise the furthest along, then the one that ends first, so that another is left to follow it.
 */
function successorOf(line: Line): AuthorityRecord | undefined {
  const { active, records, isUrgent, now } = line
  const outlives = ({ notAfter }: AuthorityRecord) =>
    isUrgent === true || active === undefined || notAfter > active.notAfter
  const ready = records.filter((record) => isReady(record) && now < record.notAfter && outlives(record))
  if (line.isReserved === true && active !== undefined) {
    const fit = now >= active.notAfter ? ready : ready.filter((record) => isFresh(record, active))
    return furthestAlong(fit, now)[0]
  }
  const [soonest] = ready.toSorted((left, right) => left.notAfter - right.notAfter)
  return ready.find(({ state }) => state === 'published') ?? soonest
}

/**
 * Who may sign at once in the place of an authority of its kind, the one that most others know first: never one that was
 * taken back, none that has ended, and none under a root that signs no more.
 */
export function standIn(
  subject: AuthorityRecord,
  records: readonly AuthorityRecord[],
  now: Instant,
): AuthorityRecord | undefined {
  const root = records.find(({ kind, state }) => kind === 'x509-root' && state === 'active')?.id ?? null
  const ready = records.filter(
    (record) =>
      record.kind === subject.kind &&
      record.id !== subject.id &&
      isReady(record) &&
      now >= record.notBefore &&
      now < record.notAfter &&
      (record.kind !== 'x509' || record.issuer === root),
  )
  return furthestAlong(ready, now)[0]
}

/** Without an active one there is nothing to wait for. */
function mayTakeOver(next: AuthorityRecord, { active, now, isUrgent }: Line): boolean {
  if (active === undefined || now >= active.notAfter) return true
  return (
    (isUrgent === true || now >= activateAt(active)) &&
    next.publishedAt !== null &&
    hasPropagated(next.publishedAt, now)
  )
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
