import type { Instant } from '#kernel/instant.ts'
import type { AuthorizationDetail, TaskRecord, TaskState } from './records.ts'
import { stateAt } from './states.ts'

/** A task as its owner, its agent and operators see it. */
export interface TaskView {
  readonly id: string
  /** Name of the agent. */
  readonly agent: string
  /** Id of the only instance that may use it; null where any of the agent may. */
  readonly instance: string | null
  readonly subject: string
  readonly owner: string
  readonly state: TaskState
  readonly authority: readonly AuthorizationDetail[]
  readonly deadline: Instant
  readonly maxDepth: number
  readonly maxDerivations: number
  readonly createdBy: string
  readonly createdAt: Instant
  /** When it was completed or revoked, or its deadline once that has passed; null while it can still be used. */
  readonly endedAt: Instant | null
  readonly transaction: string
}

export function viewOf(task: TaskRecord, agentName: string, now: Instant): TaskView {
  const state = stateAt(task, now)
  return {
    id: task.id,
    agent: agentName,
    instance: task.instance,
    subject: task.subject,
    owner: task.owner,
    state,
    authority: task.authority,
    deadline: task.deadline,
    maxDepth: task.maxDepth,
    maxDerivations: task.maxDerivations,
    createdBy: task.createdBy,
    createdAt: task.createdAt,
    endedAt: state === 'expired' ? (task.endedAt ?? task.deadline) : task.endedAt,
    transaction: task.transaction,
  }
}
