import type { OutboxRecord } from '#audit/index.ts'
import { cutoffKey } from '#revocation/index.ts'
import { noticedCuts, noticedSerials, type NoticePorts } from '../revoke/noticed.ts'
import type { Cut } from '../revoke/reach.ts'

/** What an event of the outbox took back, and why. */
export interface TakenBack {
  readonly cuts: readonly Cut[]
  /** Certificates whose own rows say it. */
  readonly serials: readonly string[]
  /** Id of an agent that lost everything. */
  readonly agent: string | null
  readonly reason: string
}

/** Every event of the outbox by which something ends. Whoever adds a way to take something back adds its event here. */
export const ENDING_EVENTS: readonly string[] = [
  'token.revoked',
  'task.completed',
  'task.revoked',
  'task.suspended',
  'agent.suspended',
  'agent.retired',
  'instance.superseded',
  'credential.revoked',
]

/** Null where the event ends nothing that anybody outside could hold. It says itself what its commit cut off. */
export async function takenBackBy(ports: NoticePorts, { type, data }: OutboxRecord): Promise<TakenBack | null> {
  if (!ENDING_EVENTS.includes(type)) return null
  const [cuts, serials] = [await noticedCuts(ports, data), noticedSerials(data)]
  if (cuts.length === 0 && serials.length === 0) return null
  const agent = cuts.find(({ kind }) => kind === 'agent' || kind === 'actor')?.value ?? null
  return { cuts, serials, agent, reason: await reasonOf(ports, cuts, serials) }
}

async function reasonOf({ reader }: NoticePorts, cuts: readonly Cut[], serials: readonly string[]): Promise<string> {
  const [cut] = cuts
  const row =
    cut === undefined
      ? await reader.find('Certificate', { serial: serials[0] ?? '' })
      : await reader.find('Cutoff', { key: cutoffKey(cut.kind, cut.value) })
  return row?.reason ?? 'superseded'
}
