import { DAY, MINUTE, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { AuthorityRecord } from './records.ts'

/** Life of a responder's certificate: nobody can ask whether it was taken back, so that it ends soon (O5). */
export const DELEGATE_LIFETIME: Milliseconds = 3 * DAY
/** The making of one takes seconds; what is older was given up. */
const MAKING: Milliseconds = MINUTE

/** What is to be done next for the responders; whoever crashes between two finds the next one due again. */
export type DelegateStep =
  | { readonly step: 'make'; readonly issuer: AuthorityRecord; readonly replaces: AuthorityRecord | null }
  | { readonly step: 'retire'; readonly delegate: AuthorityRecord }

export interface DelegateFacts {
  readonly records: readonly AuthorityRecord[]
  readonly now: Instant
  /** The longest life of anything that an issuing authority signs. */
  readonly longestLeaf: Milliseconds
  /** Ids of responders that were taken back, and must not answer any more. */
  readonly dead: ReadonlySet<string>
}

/**
 * Whether a certificate of the authority may be alive, so that somebody may ask for its status: also when it has
 * retired or was tainted. One that is only published is answered for as well, so that its responder is there when it
 * signs.
 */
export function isAnsweredFor(
  record: AuthorityRecord,
  { now, longestLeaf }: Pick<DelegateFacts, 'now' | 'longestLeaf'>,
): boolean {
  const { kind, certificate, state, notAfter, activatedAt, retiredAt } = record
  if (kind !== 'x509' || certificate === null || state === 'prepared' || now >= notAfter) return false
  if (state !== 'retired') return true
  return activatedAt !== null && retiredAt !== null && now < retiredAt + longestLeaf
}

/** The responder that signs for an issuing authority now; of two that were made at once the later one. */
export function delegateOf(records: readonly AuthorityRecord[], issuer: string): AuthorityRecord | null {
  const active = records.filter((record) => isDelegateOf(issuer, record) && record.state === 'active')
  return active.toSorted((left, right) => right.createdAt - left.createdAt || (left.id < right.id ? 1 : -1))[0] ?? null
}

/**
 * One responder for each issuing authority, followed by the next at half of its life: its certificate goes along with
 * every answer, so that nobody has to know the next one first. Pure.
 */
export function dueDelegates(facts: DelegateFacts): readonly DelegateStep[] {
  const issuers = facts.records.filter((record) => isAnsweredFor(record, facts))
  return [...issuers.flatMap((issuer) => making(issuer, facts)), ...endings(issuers, facts)]
}

function making(issuer: AuthorityRecord, facts: DelegateFacts): readonly DelegateStep[] {
  const replaces = delegateOf(facts.records, issuer.id)
  const isBegun = facts.records.some((record) => isDelegateOf(issuer.id, record) && isBeingMade(record, facts.now))
  if (isBegun || (replaces !== null && !isOver(replaces, issuer, facts))) return []
  return issuer.notAfter - facts.now < 2 * MINUTE ? [] : [{ step: 'make', issuer, replaces }]
}

/** One that ends with its issuer is the last, unless it was taken back. */
function isOver(delegate: AuthorityRecord, issuer: AuthorityRecord, { now, dead }: DelegateFacts): boolean {
  if (dead.has(delegate.id)) return true
  const isLast = delegate.notAfter > issuer.notAfter - SECOND
  return !isLast && now >= (delegate.notBefore + delegate.notAfter) / 2
}

function endings(issuers: readonly AuthorityRecord[], { records, now }: DelegateFacts): readonly DelegateStep[] {
  const current = new Set(issuers.map(({ id }) => delegateOf(records, id)?.id))
  const over = records.filter((record) => {
    const { kind, state, id } = record
    if (kind !== 'ocsp' || state === 'retired' || state === 'tainted') return false
    return state === 'active' ? !current.has(id) : !isBeingMade(record, now)
  })
  return over.map((delegate) => ({ step: 'retire', delegate }))
}

function isDelegateOf(issuer: string, record: AuthorityRecord): boolean {
  return record.kind === 'ocsp' && record.issuer === issuer
}

function isBeingMade({ state, createdAt }: AuthorityRecord, now: Instant): boolean {
  return state === 'prepared' && now <= createdAt + MAKING
}
