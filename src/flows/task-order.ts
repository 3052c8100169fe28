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
import { tasksError, type ProvenUser } from '#tasks/index.ts'
import { oauthError } from './oauth-errors.ts'
import type { Change, Guard, Reader } from './ports.ts'
import { notCutOff, usedOnce } from './user-proof.ts'

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
  /** SHA-256 of what proved the user, hex. */
  readonly subjectProof: string | null
  readonly guards: readonly Guard[]
  readonly changes: readonly Change[]
}

/** An agent works for itself, or for the user who has proved who they are. */
export function ownOrder({ agent, instance }: AgentIdentity, user: ProvenUser | null): TaskOrder {
  return { agent, instance, ...whom(user, instance.spiffeId, unchanged(agent, instance)) }
}

/**
 * An orchestrator names the agent and the subject, both within its lists. The user's own proof can stand for the name,
 * not for the list.
 * @throws AUTHENTICATION_REQUIRED, ROLE_REQUIRED, TASK_ORDER_FORBIDDEN, TASK_AGENT_*, TASK_SUBJECT_*, AGENT_UNKNOWN,
 *   INSTANCE_UNKNOWN, and what `prove` throws
 */
export async function orchestratedOrder(
  reader: Reader,
  caller: Caller,
  request: OrchestratedRequest,
  prove: () => Promise<ProvenUser | null>,
): Promise<TaskOrder> {
  if (caller.identity.kind === 'agent') throw tasksError('TASK_ORDER_FORBIDDEN')
  const orchestrator = caller.requireRole('orchestrator')
  const agent = await agentOf(reader, orchestrator, request.agent)
  const user = await prove()
  const subject = subjectOf(orchestrator, request.subject, user)
  const instance = request.instance === null ? null : await instanceOf(reader, agent, request.instance)
  return {
    agent,
    instance,
    ...whom(user, subject, [...unchanged(agent, instance), stillOrchestrator(orchestrator)]),
  }
}

function whom(
  user: ProvenUser | null,
  otherwise: string,
  guards: readonly Guard[],
): Omit<TaskOrder, 'agent' | 'instance'> {
  if (user === null) return { subject: otherwise, subjectProof: null, guards, changes: [] }
  const { subject, digest } = user
  return { subject, subjectProof: digest, guards: [...guards, notCutOff(user)], changes: [usedOnce(user)] }
}

async function agentOf(reader: Reader, orchestrator: PrincipalRecord, wanted: string | null): Promise<AgentRecord> {
  if (wanted === null) throw tasksError('TASK_AGENT_MISSING')
  const agent = (await reader.find('Agent', { name: wanted })) ?? (await reader.find('Agent', { id: wanted }))
  if (agent === null) throw registryError('AGENT_UNKNOWN')
  if (!mayOpenFor(orchestrator, agent.name)) throw tasksError('TASK_AGENT_NOT_ALLOWED')
  return agent
}

function subjectOf(orchestrator: PrincipalRecord, named: string | null, user: ProvenUser | null): string {
  const subject = named ?? user?.subject
  if (subject === undefined) throw tasksError('TASK_SUBJECT_MISSING')
  if (user !== null && user.subject !== subject) throw tasksError('TASK_SUBJECT_DIFFERS')
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
