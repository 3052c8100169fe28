import { instant, toRfc3339 } from '#kernel/instant.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { noticedCuts, noticedSerials } from '../revoke/noticed.ts'
import { tokensRestingOn } from '../revoke/resting-tokens.ts'
import type { SequencedEvent } from './follow.ts'
import { different, frame, type Frame } from './frame.ts'
import { certificateFrames, framesOfCutoff, tokenFrames, type FramePorts } from './frames-of-cutoff.ts'

type OfType = (ports: FramePorts, data: JsonObject) => Promise<readonly Frame[]>

/** What of an event receivers are told besides what it cut off. */
const OF_TYPE: Readonly<Record<string, OfType>> = {
  'agent.suspended': agentState,
  'agent.resumed': agentState,
  'authority.changed': ({ authorities }) => {
    const sequence = Number(authorities.current().sequence)
    return Promise.resolve([frame('trust', { sequence }, null)])
  },
  'approval.break_glass': (_ports, data) => Promise.resolve(announcement(data)),
}

/** Everything that receivers are told of one event: whatever its type is, what it cut off and revoked is among it. */
export async function framesOfEvent(ports: FramePorts, { type, data }: SequencedEvent): Promise<readonly Frame[]> {
  const frames: Frame[] = [...((await OF_TYPE[type]?.(ports, data)) ?? [])]
  for (const cut of await noticedCuts(ports, data)) {
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

/**
 * How the agent stands now, whatever the event says: should those of two replicas come in another order than they
 * happened, the last word is right all the same.
 */
async function agentState({ reader, profile }: FramePorts, data: JsonObject): Promise<readonly Frame[]> {
  const agent = await reader.find('Agent', { id: textOf(data['agent']) })
  // One that has been retired since is cut off, certificates and all.
  if (agent === null || agent.state === 'retired' || agent.permissions.length === 0) return []
  const { state } = agent
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
  const serials = noticedSerials(data)
  if (serials.length === 0) return []
  const rows = await reader.list('Certificate', { where: { serial: { in: serials } }, limit: 1000 })
  const frames = [...(await certificateFrames(reader, rows))]
  for await (const tokens of tokensRestingOn(reader, rows, clock.now())) frames.push(...tokenFrames(tokens))
  return frames
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : ''
}
