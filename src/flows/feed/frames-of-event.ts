import { instant, toRfc3339, type Instant } from '#kernel/instant.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { CUTOFF_KINDS, revocationNotice, subjectDigest, type CutoffKind } from '#revocation/index.ts'
import type { Cut } from '../revoke/reach.ts'
import type { SequencedEvent } from './follow.ts'
import { different, frame, type Frame } from './frame.ts'
import { certificateFrames, framesOfCutoff, tokenFrames, type FramePorts } from './frames-of-cutoff.ts'
import { tokensOfCertificates } from './tokens.ts'

type OfType = (ports: FramePorts, data: JsonObject) => Promise<readonly Frame[]>

/** What of an event receivers are told besides what it cut off. */
const OF_TYPE: Readonly<Record<string, OfType>> = {
  'agent.suspended': (ports, data) => agentState(ports, data, 'suspended'),
  'agent.resumed': (ports, data) => agentState(ports, data, 'active'),
  'authority.changed': ({ authorities }) => {
    const sequence = Number(authorities.current().sequence)
    return Promise.resolve([frame('trust', { sequence }, null)])
  },
  'approval.break_glass': (_ports, data) => Promise.resolve(announcement(data)),
}

/** Everything that receivers are told of one event: whatever its type is, what it cut off and revoked is among it. */
export async function framesOfEvent(ports: FramePorts, { type, data }: SequencedEvent): Promise<readonly Frame[]> {
  const frames: Frame[] = [...((await OF_TYPE[type]?.(ports, data)) ?? [])]
  for (const cut of await cutsOf(ports, data)) {
    for await (const page of framesOfCutoff(ports, cut, 'all')) frames.push(...page)
  }
  frames.push(...(await revokedAlone(ports, data)))
  return different(frames)
}

/** Events that change nothing for anybody who listens, and are nearly all there are. */
export function isQuiet({ type }: SequencedEvent): boolean {
  return QUIET.has(type)
}

const QUIET: ReadonlySet<string> = new Set(['certificate.issued', 'token.issued', 'task.opened'])

async function agentState(
  { reader, profile }: FramePorts,
  data: JsonObject,
  state: 'active' | 'suspended',
): Promise<readonly Frame[]> {
  const agent = await reader.find('Agent', { id: textOf(data['agent']) })
  if (agent === null || agent.permissions.length === 0) return []
  const spiffeId = `spiffe://${profile.trustDomain.name}${agent.path}`
  const audiences = agent.permissions.map(({ audience }) => audience)
  return [frame('agent', { spiffe_id: spiffeId, state }, audiences)]
}

function announcement(data: JsonObject): readonly Frame[] {
  const { approval, kind, effective_at: at } = data
  if (typeof approval !== 'string' || typeof kind !== 'string') return []
  const moment = typeof at === 'number' ? toRfc3339(instant(at)) : textOf(at)
  return [frame('announcement', { approval, kind, effective_at: moment }, null)]
}

/** Certificates whose own row says it, without any cutoff. */
async function revokedAlone({ reader, clock }: FramePorts, data: JsonObject): Promise<readonly Frame[]> {
  const serials = listOf(data['certificates']).filter((serial) => typeof serial === 'string')
  if (serials.length === 0) return []
  const rows = await reader.list('Certificate', { where: { serial: { in: serials } }, limit: 1000 })
  const tokens = await tokensOfCertificates(reader, rows, clock.now())
  return [...(await certificateFrames(reader, rows)), ...tokenFrames(tokens)]
}

async function cutsOf(ports: FramePorts, data: JsonObject): Promise<readonly Cut[]> {
  const { at } = data
  const cuts: Cut[] = []
  for (const notice of listOf(data['cutoffs'])) {
    if (!isObject(notice)) continue
    const { kind, value, digest, before } = notice
    if (!isKind(kind) || typeof before !== 'number') continue
    if (typeof value === 'string') cuts.push({ kind, value, before: instant(before) })
    else if (typeof digest === 'string' && typeof at === 'number') {
      cuts.push(...(await personal(ports, { kind, digest, at: instant(at) })))
    }
  }
  return cuts
}

/** An event has personal values as digests; the row, found by its moment, has them in clear. */
async function personal(
  { reader, profile }: FramePorts,
  { kind, digest, at }: { readonly kind: CutoffKind; readonly digest: string; readonly at: Instant },
): Promise<readonly Cut[]> {
  const rows = await reader.list('Cutoff', { where: { createdAt: at, kind }, limit: 1000 })
  return rows.filter((row) => {
    const [shown] = revocationNotice(at, [row], (subject) => subjectDigest(profile.publicUrl, subject)).cutoffs
    return shown !== undefined && 'digest' in shown && shown.digest === digest
  })
}

function isKind(kind: JsonValue | undefined): kind is CutoffKind {
  return CUTOFF_KINDS.some((known) => known === kind)
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : []
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : ''
}
