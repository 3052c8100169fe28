import type { CertificateRecord } from '#issuance/index.ts'
import type { Instant } from '#kernel/instant.ts'
import type { AgentRecord, InstanceRecord } from '#registry/index.ts'
import type { RevocationHandle } from '#revocation/index.ts'
import type { TaskRecord, TaskTokenRecord } from '#tasks/index.ts'
import type { Reader, Where } from '../ports.ts'
import type { TableName, Tables } from '../tables.ts'
import { holdersOf } from './selectors.ts'
import type { Target } from './target.ts'

/** What a revocation hits, as of the moment it was looked at: the living only, at most a thousand of each. */
export interface RevocationHits {
  readonly agents: readonly AgentRecord[]
  readonly instances: readonly InstanceRecord[]
  readonly certificates: readonly CertificateRecord[]
  readonly tasks: readonly TaskRecord[]
  readonly tokens: readonly TaskTokenRecord[]
  /** True when there is more of something than is listed. */
  readonly more: boolean
}

const MOST = 1000

/** Everything alive that rests on the target. */
export async function findHits(reader: Reader, target: Target, now: Instant): Promise<RevocationHits> {
  const { handle, value } = target.request
  if (handle === 'task') return hitsOfTasks(reader, { id: value }, now)
  if (handle === 'subject') return hitsOfTasks(reader, { subject: value }, now)
  if (handle === 'token') return hitsOfToken(reader, value, now)
  return hitsOfInstances(reader, await HOLDERS[handle](reader, target.cut?.value ?? value), now)
}

/** These are found by reading through tables; whoever revokes does not wait for that. */
const UNINDEXED: readonly RevocationHandle[] = ['authority', 'selector', 'trust-domain']

/** The same by indexes alone: nothing, and that there is more, where there are none. */
export function findIndexedHits(reader: Reader, target: Target, now: Instant): Promise<RevocationHits> {
  if (UNINDEXED.includes(target.request.handle)) return Promise.resolve({ ...NOTHING, more: true })
  return findHits(reader, target, now)
}

/** How many living instances it reaches, counted to a thousand. */
export async function countInstances(reader: Reader, target: Target): Promise<number> {
  const { handle, value } = target.request
  if (handle === 'task' || handle === 'subject' || handle === 'token') return 0
  return (await HOLDERS[handle](reader, target.cut?.value ?? value)).length
}

type Holders = (reader: Reader, value: string) => Promise<readonly InstanceRecord[]>

const state = 'active' as const

/** The instances that a handle reaches, by the value of its cutoff. */
const HOLDERS: Readonly<Record<Exclude<RevocationHandle, 'task' | 'subject' | 'token'>, Holders>> = {
  certificate: (reader, lineage) => first(reader, 'Instance', { lineage, state }),
  lineage: (reader, lineage) => first(reader, 'Instance', { lineage, state }),
  instance: (reader, id) => first(reader, 'Instance', { id, state }),
  agent: (reader, agent) => first(reader, 'Instance', { agent, state }),
  node: (reader, node) => first(reader, 'Instance', { node, state }),
  evidence: (reader, evidenceDigest) => first(reader, 'Instance', { evidenceDigest, state }),
  selector: holdersOf,
  'trust-domain': (reader) => first(reader, 'Instance', { state }),
  key: (reader, spkiHash) => instancesOf(reader, { spkiHash }),
  authority: (reader, authority) => instancesOf(reader, { authority }),
}

/** The instances that hold certificates of a kind. */
async function instancesOf(reader: Reader, where: Where<'Certificate'>): Promise<readonly InstanceRecord[]> {
  const certificates = await first(reader, 'Certificate', { ...where, state: 'issued' })
  const ids = [...new Set(certificates.flatMap(({ instance }) => (instance === null ? [] : [instance])))]
  return ids.length === 0 ? [] : first(reader, 'Instance', { id: { in: ids }, state: 'active' })
}

async function hitsOfInstances(
  reader: Reader,
  instances: readonly InstanceRecord[],
  now: Instant,
): Promise<RevocationHits> {
  if (instances.length === 0) return NOTHING
  const ids = instances.map(({ id }) => id)
  const agentIds = [...new Set(instances.map(({ agent }) => agent))]
  const own = new Set(ids)
  const [agents, certificates, tasks, tokens] = await Promise.all([
    first(reader, 'Agent', { id: { in: agentIds } }),
    first(reader, 'Certificate', { instance: { in: ids }, state: 'issued', notAfter: { gt: now } }),
    first(reader, 'Task', { agent: { in: agentIds }, state: 'active', deadline: { gt: now } }),
    first(reader, 'TaskToken', { agent: { in: agentIds }, expiresAt: { gt: now }, revokedAt: null }),
  ])
  return {
    agents,
    instances,
    certificates,
    tasks: tasks.filter(({ instance }) => instance !== null && own.has(instance)),
    tokens: tokens.filter(({ instance }) => own.has(instance)),
    more: [instances, certificates, tasks, tokens].some(({ length }) => length >= MOST),
  }
}

async function hitsOfTasks(reader: Reader, which: Where<'Task'>, now: Instant): Promise<RevocationHits> {
  const tasks = await first(reader, 'Task', { ...which, state: 'active', deadline: { gt: now } })
  if (tasks.length === 0) return NOTHING
  const where = { task: { in: tasks.map(({ id }) => id) }, expiresAt: { gt: now }, revokedAt: null }
  const tokens = await first(reader, 'TaskToken', where)
  const agents = await first(reader, 'Agent', { id: { in: [...new Set(tasks.map(({ agent }) => agent))] } })
  return { ...NOTHING, agents, tasks, tokens, more: tasks.length >= MOST || tokens.length >= MOST }
}

/** A token and everything derived from it. */
async function hitsOfToken(reader: Reader, jti: string, now: Instant): Promise<RevocationHits> {
  const token = await reader.find('TaskToken', { jti })
  if (token === null) return NOTHING
  const where = { task: token.task, expiresAt: { gt: now }, revokedAt: null }
  const living = await first(reader, 'TaskToken', where)
  const tokens = living.filter((one) => one.jti === jti || one.ancestors.includes(jti))
  const agents = await first(reader, 'Agent', { id: { in: [...new Set(tokens.map(({ agent }) => agent))] } })
  return { ...NOTHING, agents, tokens, more: living.length >= MOST }
}

const NOTHING: RevocationHits = { agents: [], instances: [], certificates: [], tasks: [], tokens: [], more: false }

function first<Table extends TableName>(
  reader: Reader,
  table: Table,
  where: Where<Table>,
): Promise<readonly Tables[Table][]> {
  return reader.list(table, { where, limit: MOST })
}
