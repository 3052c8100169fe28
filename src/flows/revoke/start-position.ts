import { newId } from '#kernel/ids.ts'
import type { Instant } from '#kernel/instant.ts'
import { newestPosition } from '../feed/follow.ts'
import type { Reader } from '../ports.ts'

/** So many issuances are looked at: their order by time and that by position differ by seconds. */
const LOOKED_AT = 1000

/**
 * A position of the outbox behind which every revocation lies that can have ended a token which was issued at `moment` or
 * later. The time of a revocation does not say it, since a replica whose clock is wrong may revoke; but it comes behind
 * the issuance of what it ended, and whoever issues has the right time.
 */
export async function positionBefore(reader: Reader, moment: Instant): Promise<number> {
  // Read first: what comes meanwhile comes behind it.
  const newest = await newestPosition(reader)
  const where = { type: 'token.issued', id: { gte: firstEventAt(moment) }, position: { gte: 0 } } as const
  const issued = await reader.list('Outbox', { where, limit: LOOKED_AT })
  return Math.min(newest, ...issued.map(({ position }) => (position ?? newest) - 1))
}

/** No event that was written then or later has a lower id. */
function firstEventAt(moment: Instant): string {
  return newId('event', moment, { bytes: (length) => new Uint8Array(length) })
}
