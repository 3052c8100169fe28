import type { AuthorityRecord } from '#authority/index.ts'
import {
  after,
  DAY,
  earliest,
  instant,
  MINUTE,
  SECOND,
  wholeSecond,
  type Instant,
  type Milliseconds,
} from '#kernel/instant.ts'
import type { CrlEntryRecord, CrlRecord } from './records.ts'

/**
 * How long a CRL may be gone by. Signed anew at half of that, so that relying parties have a valid one for at least
 * twelve hours after the key's home was last reached; and no longer than the longest certificate lives, so that an old
 * CRL, played back, hides nothing for longer than that. (The Baseline Requirements allow ten days.)
 */
export const CRL_VALIDITY: Milliseconds = DAY

/** Clocks of replicas differ, and a transaction that was begun earlier may end later: by less than this. */
export const OVERLAP: Milliseconds = MINUTE

/** Caches hand a CRL on for no longer, so that a revocation is seen within a minute through them, too (R13). */
const LONGEST_CACHED: Milliseconds = 30 * SECOND

/** The scope of a CRL that covers everything that its authority signed. */
export const COMPLETE = 'complete'

/** Key of the row of a scope: the number of a shard, or `complete`. */
export function crlId(authority: string, scope: string): string {
  return `${authority}/${scope}`
}

type Signed = Pick<CrlRecord, 'number' | 'thisUpdate' | 'nextUpdate'>

/** Strictly rising for each scope, also when the clock was set back (R4, R13). */
export function nextCrlNumber(previous: Pick<CrlRecord, 'number'> | null, now: Instant): number {
  return previous === null ? now : Math.max(previous.number + 1, now)
}

export interface CrlTimes {
  readonly thisUpdate: Instant
  readonly nextUpdate: Instant
}

/**
 * From now on; nobody can verify a CRL whose issuer has ended. A clock that is known to be wrong, and behind, is not
 * gone by: such a CRL would have expired for everybody whose clock is right.
 */
export function crlTimes(moment: { readonly now: Instant; readonly isRight: boolean }, facts: CrlFacts): CrlTimes {
  const { previous, end } = facts
  const now = wholeSecond(moment.now)
  const thisUpdate = previous === null || moment.isRight || previous.thisUpdate < now ? now : previous.thisUpdate
  const nextUpdate = earliest(after(thisUpdate, CRL_VALIDITY), wholeSecond(end))
  return { thisUpdate, nextUpdate: nextUpdate > thisUpdate ? nextUpdate : after(thisUpdate, SECOND) }
}

export interface CrlFacts {
  readonly previous: Signed | null
  /** When the authority's certificate ends. */
  readonly end: Instant
}

/** There is none, or half of its time is over and a new one would last longer. */
export function isCrlDue({ previous, end }: CrlFacts, now: Instant): boolean {
  if (previous === null) return true
  const half = previous.thisUpdate + (previous.nextUpdate - previous.thisUpdate) / 2
  return now >= half && previous.nextUpdate < wholeSecond(end)
}

/** Made while the clock was ahead: relying parties whose clocks are right do not take it yet. */
export function isStillToBegin(previous: Signed | null, now: Instant): boolean {
  return previous !== null && previous.thisUpdate > now + OVERLAP
}

/** What relying parties would soon be left without. */
export function isCrlOverdue(previous: Signed | null, now: Instant): boolean {
  return previous !== null && now >= previous.thisUpdate + (previous.nextUpdate - previous.thisUpdate) / 2
}

/**
 * R8: a line stays until a CRL that was issued after the certificate's end has listed it. Every CRL of ours is a
 * regular one: they come whenever something changes, and at half of their time.
 */
export function isSpent(entry: Pick<CrlEntryRecord, 'notAfter' | 'addedAt'>, previous: Signed | null): boolean {
  return previous !== null && previous.thisUpdate > Math.max(entry.notAfter, entry.addedAt) + OVERLAP
}

/** No certificate of an agent lives longer. */
export const LONGEST_LEAF: Milliseconds = DAY

/** No certificate that an authority or a root at hand signs lives longer. */
const LONGEST: Readonly<Record<'x509' | 'x509-root', Milliseconds>> = { x509: LONGEST_LEAF, 'x509-root': 31 * DAY }

/**
 * R11: an authority goes on saying what it took back, also when it has retired or is tainted, until the last certificate
 * that it can have signed has ended and one CRL more has listed it (R8).
 */
export function issuesCrls(authority: AuthorityRecord, now: Instant): boolean {
  const { kind, state, certificate, notAfter, retiredAt } = authority
  if ((kind !== 'x509' && kind !== 'x509-root') || certificate === null || state === 'prepared' || now >= notAfter)
    return false
  return retiredAt === null || now < retiredAt + LONGEST[kind] + CRL_VALIDITY
}

/** How long others may keep a CRL without asking again, in seconds: always less than it is valid for (R12, R13). */
export function cacheableFor({ nextUpdate }: Pick<CrlRecord, 'nextUpdate'>, now: Instant): number {
  const left = Math.max(0, instant(Math.max(nextUpdate, now)) - now)
  return Math.floor(Math.min(LONGEST_CACHED, left / 2) / SECOND)
}
