import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import {
  administers,
  createAgent,
  parseAgentName,
  registryError,
  type AgentRecord,
  type AgentRequest,
  type ResourceRecord,
} from '#registry/index.ts'
import { readPage, type Page, type PageRequest } from '../pages.ts'
import type { Guard, Reader } from '../ports.ts'
import { recordingDenials } from '../recorded-story.ts'
import { rowDigest } from './digest.ts'
import { adminLeaf, READERS, type AdminPorts } from './standing.ts'

/**
 * Registers an agent. One for a person who administers (`/admin/<name>`) needs an admin.
 * @throws ROLE_REQUIRED and what `createAgent` throws; AGENT_NAME_TAKEN
 */
export function addAgent(ports: AdminPorts, caller: Caller, request: AgentRequest): Promise<AgentRecord> {
  const attempt = { type: 'agent.added', actor: caller.name, object: 'agent:new' }
  return recordingDenials(ports, attempt, (watched) => addAgentAs(watched, caller, request))
}

async function addAgentAs(ports: AdminPorts, caller: Caller, request: AgentRequest): Promise<AgentRecord> {
  // 1. Who may, and whether the registration holds.
  caller.requireRole('operator')
  const resources = await readResources(ports.reader, request)
  const { serverNames } = ports.profile
  const agent = createAgent(request, { resources, serverNames, now: ports.clock.now(), random: ports.random })
  if (administers(agent)) caller.requireRole('admin')
  // 2. Written down and made, as long as its resources are still there.
  await record(ports.journal, {
    lock: 'none',
    guards: agent.permissions.map(({ audience }) => resourceGuard(audience)),
    changes: [{ op: 'insert', table: 'Agent', row: agent, refuse: () => registryError('AGENT_NAME_TAKEN') }],
    leaf: adminLeaf(
      { type: 'agent.added', actor: caller.name, object: `agent:${agent.id}` },
      { name: agent.name, registration: rowDigest(agent) },
    ),
    events: [{ type: 'agent.added', data: { agent: agent.id } }],
  })
  return agent
}

function resourceGuard(audience: string): Guard {
  const refuse = () => registryError('AGENT_AUDIENCE_UNKNOWN', { details: { audience } })
  return { table: 'Resource', must: 'exist', where: { audience, state: 'active' }, refuse }
}

async function readResources(reader: Reader, request: AgentRequest): Promise<readonly ResourceRecord[]> {
  const audiences = (request.permissions ?? []).slice(0, MAX_AUDIENCES).map(({ audience }) => audience)
  if (audiences.length === 0) return []
  return reader.list('Resource', { where: { audience: { in: audiences } }, limit: MAX_AUDIENCES })
}

const MAX_AUDIENCES = 100

/** @throws ROLE_REQUIRED, CURSOR_INVALID, LIMIT_INVALID */
export async function listAgents(ports: AdminPorts, caller: Caller, page: PageRequest): Promise<Page<AgentRecord>> {
  caller.requireRole(...READERS)
  return readPage(ports.reader, 'Agent', page)
}

/** @throws ROLE_REQUIRED, AGENT_UNKNOWN */
export async function showAgent(ports: AdminPorts, caller: Caller, name: string): Promise<AgentRecord> {
  caller.requireRole(...READERS)
  return findAgent(ports.reader, name)
}

/** @throws AGENT_NAME_INVALID, AGENT_UNKNOWN */
export async function findAgent(reader: Reader, name: string): Promise<AgentRecord> {
  const agent = await reader.find('Agent', { name: parseAgentName(name) })
  if (agent === null) throw registryError('AGENT_UNKNOWN')
  return agent
}
