import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { after, SECOND, type Instant } from '#kernel/instant.ts'
import { permitTask } from '#policy/index.ts'
import type { AgentRecord, InstanceRecord } from '#registry/index.ts'
import { openedTask, parseAuthority, tasksError, viewOf } from '#tasks/index.ts'
import type { AuthorizationDetail, TaskView } from '#tasks/index.ts'
import { recordingDenials } from './recorded-story.ts'
import { oauthError } from './oauth-errors.ts'
import type { Guard, Reader, StoryPorts } from './ports.ts'

export interface OpenTaskRequest {
  readonly authority: unknown
  /** Seconds from now, or a moment; both null for as long as the agent is allowed. */
  readonly expiresIn: number | null
  readonly deadline: Instant | null
  readonly maxDepth: number | null
  readonly maxDerivations: number | null
}

/**
 * An agent opens a task for itself, within its registration.
 * @throws CALLER_NOT_AGENT, INVALID_AUTHORIZATION_DETAILS, TARGET_UNKNOWN, TARGET_ACTION_UNKNOWN, TASK_DEADLINE_INVALID,
 *   TASK_LIMIT_INVALID, POLICY_*
 */
export async function openTask(ports: StoryPorts, caller: Caller, request: OpenTaskRequest): Promise<TaskView> {
  // 1. Only an agent, and only for itself.
  const { agent, instance } = caller.requireAgent()
  const attempt = { type: 'task.opened', actor: caller.name, object: `agent:${agent.id}` }
  return recordingDenials(ports, attempt, async ({ reader, journal, clock, random }) => {
    // 2. What it is to allow: well-formed, and known to the resources that it names.
    const authority = parseAuthority(request.authority)
    await requireKnown(reader, authority)
    // 3. Until when, and how far down.
    const now = clock.now()
    const { maxDepth, maxDerivations } = request
    const deadline = deadlineOf(request, now)
    const task = openedTask({ agent, instance, authority, deadline, maxDepth, maxDerivations }, now, random)
    // 4. May it?
    const grant = permitTask(agent, authority, { at: now, deadline: task.deadline, maxDepth: task.maxDepth })
    // 5. Commit, as long as agent and instance are what was decided on.
    await record(journal, {
      lock: 'issue',
      guards: unchanged(agent, instance),
      changes: [{ op: 'insert', table: 'Task', row: task, refuse: () => tasksError('TASK_CHANGED') }],
      leaf: {
        type: 'task.opened',
        actor: caller.name,
        object: `task:${task.id}`,
        decision: 'permit',
        inputDigest: grant.inputDigest,
        policy: grant.policyDigest,
        commitments: { agent: agent.id, instance: instance.id, transaction: task.transaction },
        private: { input: grant.input },
      },
      events: [{ type: 'task.opened', data: { task: task.id, agent: agent.id } }],
    })
    return viewOf(task, agent.name, now)
  })
}

async function requireKnown(reader: Reader, authority: readonly AuthorizationDetail[]): Promise<void> {
  const audiences = [...new Set(authority.map((detail) => detail.resource))]
  const where = { audience: { in: audiences }, state: 'active' as const }
  const resources = await reader.list('Resource', { where, limit: audiences.length })
  for (const detail of authority) {
    const resource = resources.find((one) => one.audience === detail.resource)
    if (resource === undefined) throw tasksError('TARGET_UNKNOWN')
    if (!detail.actions.every((action) => resource.actions.includes(action))) throw tasksError('TARGET_ACTION_UNKNOWN')
  }
}

function deadlineOf(request: OpenTaskRequest, now: Instant): Instant | null {
  const { expiresIn, deadline } = request
  if (expiresIn === null) return deadline
  if (deadline !== null || !Number.isSafeInteger(expiresIn) || expiresIn <= 0) throw tasksError('TASK_DEADLINE_INVALID')
  return after(now, expiresIn * SECOND)
}

function unchanged(agent: AgentRecord, instance: InstanceRecord): Guard[] {
  const refuse = () => oauthError('STANDING_CHANGED')
  return [
    { table: 'Agent', must: 'exist', where: { id: agent.id, version: agent.version, state: 'active' }, refuse },
    { table: 'Instance', must: 'exist', where: { id: instance.id, state: 'active' }, refuse },
  ]
}
