import {
  authenticationError,
  mayAssert,
  mayOpenFor,
  type AgentIdentity,
  type Caller,
  type PrincipalRecord,
} from '#authentication/index.ts'
import { isUserSubject } from '#jwt/index.ts'
import { registryError, type AgentRecord, type InstanceRecord } from '#registry/index.ts'
import { tasksError } from '#tasks/index.ts'
import { oauthError } from './oauth-errors.ts'
import type { Guard, Reader } from './ports.ts'

/** What an orchestrator names, as it was sent. */
export interface OrchestratedRequest {
  /** Name or id. */
  readonly agent: string | null
  /** One instance of the agent; null leaves the task to any of them. */
  readonly instance: string | null
  readonly subject: string | null
}

/** Who is to work and for whom, and what must still be so when the task is recorded. */
export interface TaskOrder {
  readonly agent: AgentRecord
  readonly instance: InstanceRecord | null
  readonly subject: string
  readonly guards: readonly Guard[]
}

/** An agent works for itself. */
export function ownOrder({ agent, instance }: AgentIdentity): TaskOrder {
  return { agent, instance, subject: instance.spiffeId, guards: unchanged(agent, instance) }
}

/**
 * An orchestrator names the agent and the subject, both within its lists.
 * @throws AUTHENTICATION_REQUIRED, ROLE_REQUIRED, TASK_ORDER_FORBIDDEN, TASK_AGENT_*, TASK_SUBJECT_*, AGENT_UNKNOWN,
 *   INSTANCE_UNKNOWN
 */
export async function orchestratedOrder(
  reader: Reader,
  caller: Caller,
  request: OrchestratedRequest,
): Promise<TaskOrder> {
  if (caller.identity.kind === 'agent') throw tasksError('TASK_ORDER_FORBIDDEN')
  const orchestrator = caller.requireRole('orchestrator')
  const agent = await agentOf(reader, orchestrator, request.agent)
  const subject = subjectOf(orchestrator, request.subject)
  const instance = request.instance === null ? null : await instanceOf(reader, agent, request.instance)
  return { agent, instance, subject, guards: [...unchanged(agent, instance), stillOrchestrator(orchestrator)] }
}

async function agentOf(reader: Reader, orchestrator: PrincipalRecord, wanted: string | null): Promise<AgentRecord> {
  if (wanted === null) throw tasksError('TASK_AGENT_MISSING')
  const agent = (await reader.find('Agent', { name: wanted })) ?? (await reader.find('Agent', { id: wanted }))
  if (agent === null) throw registryError('AGENT_UNKNOWN')
  if (!mayOpenFor(orchestrator, agent.name)) throw tasksError('TASK_AGENT_NOT_ALLOWED')
  return agent
}

function subjectOf(orchestrator: PrincipalRecord, subject: string | null): string {
  if (subject === null) throw tasksError('TASK_SUBJECT_MISSING')
  // A star stands for everyone in a list, and for nobody here.
  if (!isUserSubject(subject) || subject.endsWith(':*')) throw tasksError('TASK_SUBJECT_INVALID')
  if (!mayAssert(orchestrator, subject)) throw tasksError('TASK_SUBJECT_NOT_ALLOWED')
  return subject
}

async function instanceOf(reader: Reader, agent: AgentRecord, id: string): Promise<InstanceRecord> {
  const instance = await reader.find('Instance', { id, agent: agent.id, state: 'active' })
  if (instance === null) throw registryError('INSTANCE_UNKNOWN')
  return instance
}

function unchanged(agent: AgentRecord, instance: InstanceRecord | null): Guard[] {
  const refuse = () => oauthError('STANDING_CHANGED')
  const same = { id: agent.id, version: agent.version, state: 'active' } as const
  return [
    { table: 'Agent', must: 'exist', where: same, refuse },
    ...(instance === null
      ? []
      : [{ table: 'Instance', must: 'exist', where: { id: instance.id, state: 'active' }, refuse } as const]),
  ]
}

/** Whoever took a role or a subject away meanwhile has the last word. */
function stillOrchestrator({ id, version }: PrincipalRecord): Guard {
  const refuse = () => authenticationError('PRINCIPAL_CHANGED')
  return { table: 'Principal', must: 'exist', where: { id, version, state: 'active' }, refuse }
}
