import type { OutboxRecord } from '#audit/index.ts'
import { toHex, utf8 } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { instant, MINUTE } from '#kernel/instant.ts'
import { cutoffKey, REACH, type CutoffKind, type CutoffRecord } from '#revocation/index.ts'
import type { Reader } from '../ports.ts'
import type { Cut } from '../revoke/reach.ts'

/** What an event of the outbox took back, and why. */
export interface TakenBack {
  readonly cuts: readonly Cut[]
  /** A certificate that was revoked alone. */
  readonly serial: string | null
  /** Id of an agent that lost everything. */
  readonly agent: string | null
  readonly reason: string
}

type Read = (reader: Reader, event: OutboxRecord) => Promise<TakenBack | null>

/** Every event of the outbox by which something ends. Whoever adds a way to take something back adds its event here. */
const READERS: Readonly<Record<string, Read>> = {
  'token.revoked': (reader, event) => byKey(reader, 'token', memberOf(event, 'token')),
  'task.completed': (reader, event) => byKey(reader, 'task', memberOf(event, 'task')),
  'task.revoked': (reader, event) => byKey(reader, 'task', memberOf(event, 'task')),
  'task.suspended': (reader, event) => byKey(reader, 'task', memberOf(event, 'task')),
  'agent.suspended': (reader, event) => ofAgent(reader, 'actor', memberOf(event, 'agent')),
  'agent.retired': (reader, event) => ofAgent(reader, 'agent', memberOf(event, 'agent')),
  'instance.superseded': (reader, event) => byKey(reader, 'instance', memberOf(event, 'instance')),
  'credential.revoked': ofHandle,
}

export const ENDING_EVENTS: readonly string[] = Object.keys(READERS)

/** Null where the event ends nothing that anybody outside could hold. */
export async function takenBackBy(reader: Reader, event: OutboxRecord): Promise<TakenBack | null> {
  return (await READERS[event.type]?.(reader, event)) ?? null
}

function memberOf({ data }: OutboxRecord, name: string): string {
  const value = data[name]
  return typeof value === 'string' ? value : ''
}

/** As the cutoff stands now: it only rises, so that nothing which the event ended is left out. */
async function byKey(reader: Reader, kind: CutoffKind, value: string): Promise<TakenBack | null> {
  const cutoff = await reader.find('Cutoff', { key: cutoffKey(kind, value) })
  return cutoff === null ? null : taken([cutoff])
}

function taken(cutoffs: readonly CutoffRecord[], parts: Partial<TakenBack> = {}): TakenBack {
  return { cuts: cutoffs, serial: null, agent: null, reason: cutoffs.at(0)?.reason ?? 'superseded', ...parts }
}

async function ofAgent(reader: Reader, kind: 'actor' | 'agent', agent: string): Promise<TakenBack | null> {
  const found = await byKey(reader, kind, agent)
  return found === null ? null : { ...found, agent }
}

/** `credential.revoked`: by the handle and value of the request, personal values as their digests. */
async function ofHandle(reader: Reader, event: OutboxRecord): Promise<TakenBack | null> {
  const { handle, value } = { handle: memberOf(event, 'handle'), value: memberOf(event, 'value') }
  if (handle === 'agent') return ofNamedAgent(reader, value)
  if (handle === 'certificate') return ofCertificate(reader, value)
  if (handle === 'subject' || handle === 'selector') return byDigest(reader, event, { kind: handle, digest: value })
  return handle in REACH ? ofReach(reader, REACH[handle as keyof typeof REACH].kind, value) : null
}

async function ofReach(reader: Reader, kind: CutoffKind, value: string): Promise<TakenBack | null> {
  const found = await byKey(reader, kind, value)
  return found === null ? null : withKeys(reader, found, { instance: kind === 'instance' ? value : null })
}

/** A request names an agent by its id or by its name. */
async function ofNamedAgent(reader: Reader, value: string): Promise<TakenBack | null> {
  const agent = (await reader.find('Agent', { id: value })) ?? (await reader.find('Agent', { name: value }))
  return agent === null ? null : ofAgent(reader, 'agent', agent.id)
}

async function ofCertificate(reader: Reader, serial: string): Promise<TakenBack | null> {
  const certificate = await reader.find('Certificate', { serial })
  if (certificate === null) return null
  const lineage = await reader.find('Cutoff', { key: cutoffKey('lineage', certificate.lineage ?? '') })
  if (lineage === null) return { cuts: [], serial, agent: null, reason: certificate.reason ?? 'superseded' }
  return withKeys(reader, taken([lineage], { serial }), { instance: certificate.instance })
}

/** A compromised key takes every certificate with it that has it, whosever that is. */
async function withKeys(
  reader: Reader,
  found: TakenBack,
  { instance }: { readonly instance: string | null },
): Promise<TakenBack> {
  if (instance === null) return found
  const certificates = await reader.list('Certificate', { where: { instance }, limit: MOST_KEYS })
  const keys = [...new Set(certificates.map(({ spkiHash }) => cutoffKey('spki', spkiHash)))]
  const cutoffs =
    keys.length === 0 ? [] : await reader.list('Cutoff', { where: { key: { in: keys } }, limit: MOST_KEYS })
  return { ...found, cuts: [...found.cuts, ...cutoffs] }
}

const MOST_KEYS = 100

/** The event has the digest; what it is of says the cutoff that was written with it. */
async function byDigest(
  reader: Reader,
  { createdAt }: OutboxRecord,
  wanted: { readonly kind: CutoffKind; readonly digest: string },
): Promise<TakenBack | null> {
  const where = { kind: wanted.kind, createdAt: { gte: instant(Math.max(0, createdAt - MINUTE)) } } as const
  const recent = await reader.list('Cutoff', { where, orderBy: 'createdAt', limit: 1000 })
  const cutoff = recent.find(({ value }) => `sha-256:${toHex(sha256(utf8(value)))}` === wanted.digest)
  return cutoff === undefined ? null : taken([cutoff])
}
