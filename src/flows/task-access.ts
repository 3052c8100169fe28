import type { Caller, PrincipalRecord, Role } from '#authentication/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { parseId } from '#kernel/ids.ts'
import { tasksError, type TaskRecord } from '#tasks/index.ts'
import type { AgentRecord } from '#registry/index.ts'
import type { Reader } from './ports.ts'

/** To see a task; to end it (complete, revoke); to hold it (suspend, resume). */
export type TaskRight = 'see' | 'end' | 'hold'

/** Roles that have the right over every task. An owner has every right over its own. */
const ROLES: Readonly<Record<TaskRight, readonly Role[]>> = {
  see: ['viewer', 'auditor', 'operator'],
  end: ['operator'],
  hold: ['operator'],
}

/** What an orchestrator may do to a task that it opened. */
const ORCHESTRATOR_RIGHTS: readonly TaskRight[] = ['see', 'end', 'hold']

/** An agent ends its own task, but cannot undo that somebody suspended it. */
const AGENT_RIGHTS: readonly TaskRight[] = ['see', 'end']

/** A task that the caller has the right to, and the agent that it names. */
export interface FoundTask {
  readonly task: TaskRecord
  readonly agent: AgentRecord
}

/**
 * An unknown id and a task that is not the caller's answer identically.
 * @throws AUTHENTICATION_REQUIRED, TASK_NOT_FOUND; ROLE_REQUIRED for a task that the caller sees and no more
 */
export async function findTask(reader: Reader, caller: Caller, id: string, right: TaskRight): Promise<FoundTask> {
  requireKnown(caller)
  const task = isTaskId(id) ? await reader.find('Task', { id }) : null
  if (task === null || !hasRight(caller, task, 'see')) throw tasksError('TASK_NOT_FOUND')
  if (!hasRight(caller, task, right)) caller.requireRole(...ROLES[right])
  const agent = await reader.find('Agent', { id: task.agent })
  if (agent === null) throw tasksError('TASK_NOT_FOUND')
  return { task, agent }
}

/**
 * Whom the caller's list is about: everyone's tasks, those that an orchestrator opened, an owner's, or an agent's.
 * @throws AUTHENTICATION_REQUIRED
 */
export function listable(caller: Caller): {
  readonly owner?: { readonly in: readonly string[] }
  readonly agent?: string
  readonly createdBy?: string
} {
  requireKnown(caller)
  const { identity } = caller
  if (identity.kind === 'agent') return { agent: identity.agent.id }
  if (identity.kind === 'anonymous') throw tasksError('TASK_NOT_FOUND')
  const { principal } = identity
  if (holds(principal, ROLES.see)) return {}
  if (holds(principal, ['orchestrator'])) return { createdBy: principal.subject }
  return { owner: { in: ownerNames(principal) } }
}

/** Whether the caller may end this task, and so any token under it. */
export function mayEndTask(caller: Caller, task: TaskRecord): boolean {
  return hasRight(caller, task, 'end')
}

/**
 * Neither an anonymous caller nor one whose certificate is only good for its renewal.
 * @throws AUTHENTICATION_REQUIRED, CLIENT_CERTIFICATE_EXPIRED
 */
export function requireKnown(caller: Caller): void {
  if (caller.identity.kind === 'agent') caller.requireAgent()
  else if (caller.identity.kind === 'anonymous' || caller.expired) caller.requireRole()
}

function hasRight(caller: Caller, task: TaskRecord, right: TaskRight): boolean {
  const { identity } = caller
  if (identity.kind === 'agent') return identity.agent.id === task.agent && AGENT_RIGHTS.includes(right)
  if (identity.kind === 'anonymous') return false
  const { principal } = identity
  if (holds(principal, ROLES[right]) || ownerNames(principal).includes(task.owner)) return true
  const isOrchestrated = task.createdBy === principal.subject && holds(principal, ['orchestrator'])
  return isOrchestrated && ORCHESTRATOR_RIGHTS.includes(right)
}

/** The owner of an agent is written as the principal's subject or as its name. */
function ownerNames(principal: PrincipalRecord): readonly string[] {
  return [principal.subject, principal.name]
}

function holds(principal: PrincipalRecord, roles: readonly Role[]): boolean {
  return principal.roles.some((role) => role === 'admin' || roles.includes(role))
}

function isTaskId(text: string): boolean {
  try {
    parseId('task', text)
    return true
  } catch (error) {
    if (isWritError(error, 'INVALID_ID')) return false
    throw error
  }
}
