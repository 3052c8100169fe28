import { DAY, instant, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { Crl, CrlScope } from '#x509/index.ts'
import { revocationError } from './errors.ts'
import type { CrlRecord } from './records.ts'

/** What is compared of a CRL that a ceremony has made in advance. */
export type StoredCrl = Pick<CrlRecord, 'number' | 'thisUpdate' | 'nextUpdate'>

/**
 * The scope of a CRL of a root that only ceremonies open: there are many at once, each by its number, as wide as any
 * number that is taken, so that their rows are in its order.
 */
export function advanceScope(number: number): string {
  return String(number).padStart(16, '0')
}

/**
 * Of many that were made in advance, the one that counts now: the highest number of those whose time has come. Never one
 * with a lower number, also when the highest has run out: a later ceremony may have listed in it what the others,
 * signed before for the months to come, know nothing of.
 */
export function inForce<One extends StoredCrl>(stored: readonly One[], now: Instant): One | null {
  const come = stored.filter(({ thisUpdate }) => thisUpdate <= now)
  return come.reduce<One | null>((best, one) => (best === null || one.number > best.number ? one : best), null)
}

/** Until when there is always one that counts and has not run out; null while none counts, or it has run out. */
export function coveredUntil(stored: readonly StoredCrl[], now: Instant): Instant | null {
  const current = inForce(stored, now)
  if (current === null || current.nextUpdate <= now) return null
  let end = current.nextUpdate
  for (let next = successorOf(stored, current); next !== null; next = successorOf(stored, next)) {
    if (next.thisUpdate > end) break
    end = next.nextUpdate
  }
  return end
}

/** Which one counts after it, whenever that is: the first to begin of those with a higher number. */
export function successorOf<One extends StoredCrl>(stored: readonly One[], current: StoredCrl): One | null {
  const later = stored.filter(({ number, thisUpdate }) => number > current.number && thisUpdate > current.thisUpdate)
  const begin = Math.min(...later.map(({ thisUpdate }) => thisUpdate))
  return inForce(later, instant(Number.isFinite(begin) ? begin : 0))
}

/** A ceremony has to be called together. */
const NOTICE: Milliseconds = 60 * DAY

/**
 * Whether it is time for another ceremony: two months before relying parties would be left without a CRL, or at half of
 * what is left of it where all of it is shorter than that.
 */
export function isEnding(stored: readonly StoredCrl[], now: Instant): boolean {
  const current = inForce(stored, now)
  if (current === null) return false
  const until = coveredUntil(stored, now) ?? current.nextUpdate
  const first = Math.min(...stored.map(({ thisUpdate }) => thisUpdate))
  return now >= until - Math.min(NOTICE, (until - first) / 2)
}

/** What a CRL is held against, before it is stored for a root. */
export interface RootCrlFacts {
  readonly stored: readonly (StoredCrl & Pick<CrlRecord, 'der'>)[]
  /** Of the root. */
  readonly notBefore: Instant
  readonly notAfter: Instant
  /** Where it would be served; null when nowhere. */
  readonly url: string | null
  readonly now: Instant
}

/**
 * That a CRL which a root has signed can be served as the root's (R2, R4, R6): it covers all that the root signed, or
 * names exactly the place where it is served; its time is not over; and its number rises with its time.
 * @throws ROOT_CRL_SCOPE, ROOT_CRL_TIME, ROOT_CRL_OVER, ROOT_CRL_NUMBER, ROOT_CRL_SUPERSEDED
 */
export function requireServable(crl: Crl, facts: RootCrlFacts): void {
  const { stored, notBefore, notAfter, url, now } = facts
  const { scope, thisUpdate, nextUpdate } = crl
  if (!coversAll(scope, url)) {
    throw revocationError('ROOT_CRL_SCOPE', { details: { names: scope?.distributionPoint ?? '', served: url ?? '' } })
  }
  if (thisUpdate < notBefore || thisUpdate >= notAfter) throw revocationError('ROOT_CRL_TIME')
  if (nextUpdate <= now) throw revocationError('ROOT_CRL_OVER')
  const number = storedNumber(crl)
  if (stored.some((one) => one.number === number)) throw taken(number)
  if (stored.some((one) => one.number > number && one.thisUpdate <= thisUpdate)) {
    throw revocationError('ROOT_CRL_SUPERSEDED', { details: { number } })
  }
}

/** Everything that the root signed; or, octet for octet, the place that the certificates name (R6). */
function coversAll(scope: CrlScope | undefined, url: string | null): boolean {
  const { distributionPoint = url, only } = scope ?? {}
  return distributionPoint === url && only !== 'userCertificates'
}

/** @throws ROOT_CRL_NUMBER for one that is beyond what is stored */
export function storedNumber({ number }: Pick<Crl, 'number'>): number {
  if (number > BigInt(Number.MAX_SAFE_INTEGER)) throw taken(number.toString())
  return Number(number)
}

function taken(number: number | string): Error {
  return revocationError('ROOT_CRL_NUMBER', { details: { number } })
}
