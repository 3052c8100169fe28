import type { IssuanceProfile } from '#issuance/index.ts'
import type { JsonObject } from '#kernel/json.ts'
import { cutoffKey, type CrlEntryRecord, type CutoffRecord } from '#revocation/index.ts'
import { newestPosition, type SequencedEvent } from '../feed/follow.ts'
import type { Reader } from '../ports.ts'
import { noticedCuts, noticedSerials } from '../revoke/noticed.ts'
import { ENDING_EVENTS } from '../ssf/cuts.ts'

const EVENTS_AT_ONCE = 500

export interface Revocations {
  /** In the order of their positions. */
  readonly events: readonly SequencedEvent[]
  /** Everything up to here is among them. */
  readonly next: number
}

/** The events behind a position by which something was taken back, so many at a time. */
export async function revocationsBehind(reader: Reader, position: number): Promise<Revocations> {
  // Read first: what comes meanwhile is for the next time.
  const newest = await newestPosition(reader)
  if (newest <= position) return { events: [], next: position }
  const where = { position: { gt: position }, type: { in: ENDING_EVENTS } } as const
  const rows = await reader.list('Outbox', { where, orderBy: 'position', limit: EVENTS_AT_ONCE })
  const events = rows.filter((row): row is SequencedEvent => row.position !== null)
  const last = events.at(-1)?.position ?? newest
  return { events, next: rows.length === EVENTS_AT_ONCE ? last : Math.max(last, newest) }
}

/** What an event leads to: cutoffs as they are now, and lines that its commit wrote itself. */
export interface Told {
  readonly cutoffs: readonly CutoffRecord[]
  readonly lines: readonly CrlEntryRecord[]
}

/** @throws what the store throws */
export async function linesTold(
  ports: { readonly reader: Reader; readonly profile: Pick<IssuanceProfile, 'publicUrl'> },
  data: JsonObject,
): Promise<Told> {
  const { reader } = ports
  const keys = (await noticedCuts(ports, data)).map(({ kind, value }) => cutoffKey(kind, value))
  const serials = noticedSerials(data)
  return {
    cutoffs: keys.length === 0 ? [] : await reader.list('Cutoff', { where: { key: { in: keys } }, limit: keys.length }),
    lines:
      serials.length === 0
        ? []
        : await reader.list('CrlEntry', { where: { serial: { in: serials } }, limit: serials.length }),
  }
}
