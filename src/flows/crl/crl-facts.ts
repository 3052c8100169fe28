import { isOfflineRoot, type AuthorityRecord } from '#authority/index.ts'
import { instant, type Instant } from '#kernel/instant.ts'
import {
  COMPLETE,
  coveredUntil,
  crlId,
  inForce,
  isCrlDue,
  isEnding,
  successorOf,
  type CrlRecord,
} from '#revocation/index.ts'
import type { Reader } from '../ports.ts'
import { storedCrls } from './root-crls.ts'

/** How the CRL of everything that an authority has signed is. */
export interface CrlStatus {
  /** Who makes it: whoever has the key. */
  readonly by: 'server' | 'ceremony'
  readonly number: number
  readonly thisUpdate: Instant
  readonly nextUpdate: Instant
  /** When the next one is signed, or of those that were made in advance has its time; null where none follows. */
  readonly next: Instant | null
  /** Until when there is one that has not run out, as far as is known now; null where it has. */
  readonly coveredUntil: Instant | null
  /** How many of those that were made in advance are still to come. */
  readonly ahead: number
  /** Whoever makes them is late, or should begin: publisher or ceremony. */
  readonly overdue: boolean
}

/** Null for what has no CRL, and while there is none. */
export async function crlStatusOf(reader: Reader, authority: AuthorityRecord, now: Instant): Promise<CrlStatus | null> {
  const { kind, id } = authority
  if (kind !== 'x509' && kind !== 'x509-root') return null
  if (isOfflineRoot(authority)) return advanceStatus(await storedCrls(reader, authority), now)
  const crl = await reader.find('Crl', { id: crlId(id, COMPLETE) })
  return crl === null ? null : publishedStatus(crl, authority, now)
}

/** Of a root that only ceremonies open. */
export function advanceStatus(stored: readonly CrlRecord[], now: Instant): CrlStatus | null {
  const current = inForce(stored, now)
  if (current === null) return null
  const { number, thisUpdate, nextUpdate } = current
  const ahead = stored.filter((one) => one.number > number)
  return {
    by: 'ceremony',
    ...{ number, thisUpdate, nextUpdate },
    next: successorOf(ahead, current)?.thisUpdate ?? null,
    coveredUntil: coveredUntil(stored, now),
    ahead: ahead.length,
    overdue: isEnding(stored, now),
  }
}

function publishedStatus(crl: CrlRecord, { notAfter: end }: AuthorityRecord, now: Instant): CrlStatus {
  const { number, thisUpdate, nextUpdate } = crl
  return {
    by: 'server',
    ...{ number, thisUpdate, nextUpdate },
    next: instant((thisUpdate + nextUpdate) / 2),
    coveredUntil: nextUpdate > now ? nextUpdate : null,
    ahead: 0,
    overdue: isCrlDue({ previous: crl, end }, now),
  }
}
