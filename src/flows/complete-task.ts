import type { Caller } from '#authentication/index.ts'
import type { TaskView } from '#tasks/index.ts'
import { changeTask } from './change-task.ts'
import type { StoryPorts } from './ports.ts'

/**
 * The work is done: the task ends, and with it every token under it, at once and for ever. Idempotent; by the agent,
 * its owner or an operator.
 * @throws AUTHENTICATION_REQUIRED, TASK_NOT_FOUND, ROLE_REQUIRED, TASK_REVOKED, TASK_EXPIRED
 */
export async function completeTask(ports: StoryPorts, caller: Caller, id: string): Promise<TaskView> {
  return changeTask(ports, caller, id, { action: 'complete', right: 'end', target: 'completed', cut: 'for-ever' })
}
