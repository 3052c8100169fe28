import type { OutboxRecord } from '#audit/index.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import { SECURITY_EVENTS } from '#jwt/index.ts'
import { toNumericDate, type Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { AgentRecord } from '#registry/index.ts'
import type { SsfStreamRecord } from '#revocation/index.ts'
import type { TaskTokenRecord } from '#tasks/index.ts'
import type { Reader } from '../ports.ts'
import type { NoticePorts } from '../revoke/noticed.ts'
import { certificatesCutOff, tokensCutOff } from '../revoke/reach.ts'
import { tokensRestingOn } from '../revoke/resting-tokens.ts'
import { takenBackBy, type TakenBack } from './cuts.ts'
import type { SetDraft } from './sets.ts'
import { changedTask, taskDrafts, type ChangedTask } from './task-state.ts'

/** What one event ended, for all streams. */
export interface Ended {
  readonly event: OutboxRecord
  readonly tokens: readonly TaskTokenRecord[]
  readonly certificates: readonly CertificateRecord[]
  /** The agents of the certificates. */
  readonly agents: ReadonlyMap<string, AgentRecord>
  /** The one that lost everything, if it is one. */
  readonly agent: AgentRecord | null
  readonly reason: string
  /** The task that has another state by it. */
  readonly task: ChangedTask | null
}

const NOTHING: TakenBack = { cuts: [], serials: [], agent: null, reason: 'nothing was taken back' }

const PAGE = 1000

/** Everything alive that an event of the outbox ended, and the task that it changed; null where there is neither. */
export async function spellOut(ports: NoticePorts, event: OutboxRecord, now: Instant): Promise<Ended | null> {
  const { reader } = ports
  const task = await changedTask(reader, event)
  const found = await takenBackBy(ports, event)
  if (found === null && task === null) return null
  const taken = found ?? NOTHING
  const tokens = new Map<string, TaskTokenRecord>()
  const certificates = new Map<string, CertificateRecord>()
  for (const cut of taken.cuts) {
    for await (const page of tokensCutOff(reader, cut, now)) for (const token of page) tokens.set(token.jti, token)
    for await (const page of certificatesCutOff(reader, cut, now)) {
      page.filter(({ kind }) => kind === 'svid').forEach((one) => certificates.set(one.serial, one))
    }
  }
  for (const serial of taken.serials) await addAlone(reader, serial, { tokens, certificates, now })
  const ids = [...new Set([...certificates.values()].flatMap(({ agent }) => (agent === null ? [] : [agent])))]
  return {
    event,
    tokens: [...tokens.values()],
    certificates: [...certificates.values()],
    agents: await agentsOf(reader, ids),
    agent: taken.agent === null ? null : await reader.find('Agent', { id: taken.agent }),
    reason: taken.reason,
    task,
  }
}

interface Alone {
  readonly tokens: Map<string, TaskTokenRecord>
  readonly certificates: Map<string, CertificateRecord>
  readonly now: Instant
}

async function addAlone(reader: Reader, serial: string, { tokens, certificates, now }: Alone): Promise<void> {
  const certificate = await reader.find('Certificate', { serial })
  if (certificate?.agent == null || certificate.notAfter <= now) return
  certificates.set(serial, certificate)
  for await (const page of tokensRestingOn(reader, [certificate], now))
    for (const token of page) tokens.set(token.jti, token)
}

async function agentsOf(reader: Reader, ids: readonly string[]): Promise<ReadonlyMap<string, AgentRecord>> {
  const found = new Map<string, AgentRecord>()
  for (let first = 0; first < ids.length; first += PAGE) {
    const some = ids.slice(first, first + PAGE)
    for (const agent of await reader.list('Agent', { where: { id: { in: some } }, limit: PAGE }))
      found.set(agent.id, agent)
  }
  return found
}

/** Who we are, in subjects. */
export interface Us {
  readonly issuer: string
  readonly trustDomain: string
}

/**
 * What one stream is told of it: the tokens for its own audience, each by `jti`; the agents and the certificates of
 * agents that may ask for tokens for it; the states of tasks about it. Nothing else, and no user.
 */
export function draftsFor(stream: SsfStreamRecord, ended: Ended, us: Us): readonly SetDraft[] {
  const { sessionRevoked, credentialChange } = SECURITY_EVENTS
  const facts = factsOf(ended)
  const transaction = ended.event.id
  const { issuer: iss } = us
  const tokens = ended.tokens
    .filter(({ audience }) => audience === stream.audience)
    .map(({ jti }): SetDraft => ({
      subject: { format: 'jwt_id', iss, jti },
      type: sessionRevoked,
      event: facts,
      transaction,
    }))
  const agents = [ended.agent].flatMap((agent): SetDraft[] => {
    if (agent === null || !mayReach(agent, stream.audience)) return []
    const sub = `spiffe://${us.trustDomain}${agent.path}`
    return [{ subject: { format: 'iss_sub', iss, sub }, type: sessionRevoked, event: facts, transaction }]
  })
  const certificates = ended.certificates.flatMap(({ agent, spiffeId, serial }): SetDraft[] => {
    const holder = ended.agents.get(agent ?? '')
    if (holder === undefined || spiffeId === null || !mayReach(holder, stream.audience)) return []
    const event = { ...facts, credential_type: 'x509', change_type: 'revoke', x509_serial: serial }
    return [{ subject: { format: 'iss_sub', iss, sub: spiffeId }, type: credentialChange, event, transaction }]
  })
  const all = [...agents, ...certificates, ...tokens, ...taskDrafts(stream, ended.task, { facts, transaction })]
  return all.filter(({ type }) => stream.events.includes(type))
}

/** CAEP 1.0 section 2: when it was, who did it, and why, for people who administer. */
function factsOf({ event, reason }: Ended): JsonObject {
  return {
    event_timestamp: toNumericDate(event.createdAt),
    initiating_entity: event.type === 'instance.superseded' ? 'system' : 'admin',
    reason_admin: { en: `${event.type}: ${reason}` },
  }
}

function mayReach(agent: AgentRecord, audience: string): boolean {
  return agent.permissions.some((permission) => permission.audience === audience)
}
