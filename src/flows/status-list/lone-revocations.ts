import type { OutboxRecord } from '#audit/index.ts'
import { newId } from '#kernel/ids.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Reader } from '../ports.ts'

const PAGE = 1000
const NUMBERED = { position: { gte: 0 } } as const
const type = 'credential.revoked'

/** What there is to read, and where to go on afterwards. */
export interface NewEvents {
  readonly events: readonly OutboxRecord[]
  readonly next: number
}

/**
 * The revocations in the outbox since a position. With none, those since a moment, by id, which begins with the time.
 * Where to go on is read first, so that nothing falls between two calls.
 */
export async function revocationEvents(
  reader: Reader,
  since: { readonly position: number | null; readonly moment: Instant },
): Promise<NewEvents> {
  const { position, moment } = since
  const newest = { where: NUMBERED, orderBy: 'position', direction: 'descending', limit: 1 } as const
  const next = (await reader.list('Outbox', newest)).at(0)?.position ?? -1
  const where = position === null ? { type, id: { gte: firstIdAt(moment) } } : { type, position: { gt: position } }
  const events: OutboxRecord[] = []
  for (let after: string | undefined; ;) {
    const page = await reader.list('Outbox', { where, limit: PAGE, ...(after === undefined ? {} : { after }) })
    events.push(...page)
    after = page.at(-1)?.id
    if (page.length < PAGE || after === undefined) return { events, next }
  }
}

/** The certificates that were revoked in these events: of all that can be revoked, one alone leaves no cutoff. */
export function certificatesIn({ events }: NewEvents): readonly string[] {
  return events.flatMap(({ data: { handle, value } }) =>
    handle === 'certificate' && typeof value === 'string' ? [value] : [],
  )
}

/** No event that was written then or later has a lower id. */
function firstIdAt(moment: Instant): string {
  return newId('event', moment, { bytes: (length) => new Uint8Array(length) })
}
