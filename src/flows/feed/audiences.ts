import type { Caller } from '#authentication/index.ts'
import { registryError } from '#registry/index.ts'
import type { AgentRecord, ResourceRecord } from '#registry/index.ts'
import type { TaskRecord } from '#tasks/index.ts'
import { mayActFor } from '../introspect-token.ts'
import type { Reader } from '../ports.ts'
import { feedError } from './errors.ts'

const PAGE = 1000
/** Tasks of one user that are looked at for whom they concern. */
const MOST_TASKS = 10_000

/**
 * The resources that a caller acts for.
 * @throws AUTHENTICATION_REQUIRED, CALLER_NOT_AGENT, CLIENT_CERTIFICATE_EXPIRED, AGENT_SUSPENDED, FEED_NOT_REGISTERED
 */
export function resourcesOf(
  caller: Caller,
  resources: readonly ResourceRecord[],
  trustDomain: string,
): readonly ResourceRecord[] {
  const { agent } = caller.requireAgent()
  if (agent.state === 'suspended') throw registryError('AGENT_SUSPENDED')
  const agentId = `spiffe://${trustDomain}${agent.path}`
  const own = resources.filter((resource) => mayActFor(resource, caller.name, agentId))
  if (own.length === 0) throw feedError('FEED_NOT_REGISTERED')
  return own
}

export async function activeResources(reader: Reader): Promise<readonly ResourceRecord[]> {
  const found: ResourceRecord[] = []
  for (let after: string | undefined; ;) {
    const page: readonly ResourceRecord[] = await reader.list('Resource', {
      where: { state: 'active' },
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    found.push(...page)
    after = page.at(-1)?.id
    if (page.length < PAGE || after === undefined) return found
  }
}

/** Whom each agent may call. */
export async function audiencesOfAgents(
  reader: Reader,
  ids: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const agents: AgentRecord[] = []
  for (let start = 0; start < ids.length; start += PAGE) {
    agents.push(...(await reader.list('Agent', { where: { id: { in: ids.slice(start, start + PAGE) } }, limit: PAGE })))
  }
  return new Map(agents.map(({ id, permissions }) => [id, permissions.map(({ audience }) => audience)]))
}

export async function audiencesOfTask(reader: Reader, id: string): Promise<readonly string[]> {
  const task = await reader.find('Task', { id })
  return task === null ? [] : audiencesIn([task])
}

/** Where work for a subject has been going on: its newest tasks say it. */
export async function audiencesOfSubject(reader: Reader, subject: string): Promise<readonly string[]> {
  const tasks: TaskRecord[] = []
  for (let after: string | undefined; tasks.length < MOST_TASKS;) {
    const page: readonly TaskRecord[] = await reader.list('Task', {
      where: { subject },
      direction: 'descending',
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    tasks.push(...page)
    after = page.at(-1)?.id
    if (page.length < PAGE || after === undefined) break
  }
  return audiencesIn(tasks)
}

function audiencesIn(tasks: readonly TaskRecord[]): readonly string[] {
  return [...new Set(tasks.flatMap(({ authority }) => authority.map(({ resource }) => resource)))]
}
