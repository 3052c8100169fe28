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
}

/** The steps that are due, at most one for each authority. Pure. */
export function dueSteps(facts: RotationFacts): readonly RotationStep[] {
  const isOffline = isUnderOfflineRoot(facts.records)
  const root = facts.records.find(({ kind, state }) => kind === 'x509-root' && state === 'active')?.id ?? null
  return ROTATED_KINDS.flatMap((kind) => {
    const records = facts.records.filter((record) => record.kind === kind)
    const active = records.find(({ state }) => state === 'active')
    const line = { kind, active, records, now: facts.now }
    const move = kind === 'x509' && active !== undefined && active.issuer !== root ? moveTo(root, line) : null
    const isMoving = move !== null && (move.records.length > 0 || !isOffline)
    const steps = [
      ...givenUp(records, facts.now),
      ...(isMoving ? succession(move) : succession(line)),
      ...endings(records, facts),
    ]
    // What a ceremony has to sign is asked for by people: a request that nobody carries to the root helps nobody.
    return kind === 'x509' && isOffline ? steps.filter(({ step }) => step !== 'prepare') : steps
  })
}

interface Line {
  readonly kind: AuthorityKind
  readonly active: AuthorityRecord | undefined
  readonly records: readonly AuthorityRecord[]
  readonly now: Instant
  /** True when the active one has to go at once, whatever is left of its life. */
  readonly isUrgent?: boolean
}

/** Another root signs now: what it signs takes over as soon as it is known, so that the old root can go. */
function moveTo(root: string | null, line: Line): Line {
  return { ...line, records: line.records.filter(({ issuer }) => issuer === root), isUrgent: true }
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

function succession(line: Line): readonly RotationStep[] {
  const { kind, active, records, now } = line
  const next = successorOf(line)
  if (active !== undefined && now < prepareAt(active) && line.isUrgent !== true) return []
  if (next === undefined) return records.some(isBegun(line)) ? [] : [{ step: 'prepare', kind }]
  if (next.state === 'prepared') return [{ step: 'publish', authority: next }]
  return mayTakeOver(next, line) ? [{ step: 'activate', authority: next }] : []
}

/** Being made at this moment; or made for this very change, and ending no later, since the root does not last longer. */
function isBegun({ active, now }: Line): (record: AuthorityRecord) => boolean {
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
function successorOf({ active, records, isUrgent }: Line): AuthorityRecord | undefined {
  const outlives = ({ notAfter }: AuthorityRecord) =>
    isUrgent === true || active === undefined || notAfter > active.notAfter
  const ready = records.filter((record) => isUnused(record) && !isHalfMade(record) && outlives(record))
  const [soonest] = ready.toSorted((left, right) => left.notAfter - right.notAfter)
  return ready.find(({ state }) => state === 'published') ?? soonest
}

/**
 * Who may sign at once in the place of an authority of its kind, furthest along first: never one that was taken back,
 * none that has ended, and none under a root that signs no more.
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
      isUnused(record) &&
      !isHalfMade(record) &&
      now >= record.notBefore &&
      now < record.notAfter &&
      (record.kind !== 'x509' || record.issuer === root),
  )
  const [latest] = ready.toSorted((left, right) => right.notAfter - left.notAfter)
  return ready.find(({ state }) => state === 'published') ?? latest
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
