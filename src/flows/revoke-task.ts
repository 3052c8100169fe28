import type { Caller } from '#authentication/index.ts'
import type { TaskView } from '#tasks/index.ts'
import { changeTask } from './change-task.ts'
import type { StoryPorts } from './ports.ts'

/**
 * The work is called off: like completing, under another name. Idempotent; by the agent, its owner or an operator.
 * @throws AUTHENTICATION_REQUIRED, TASK_NOT_FOUND, ROLE_REQUIRED, TASK_COMPLETED, TASK_EXPIRED
 */
export async function revokeTask(ports: StoryPorts, caller: Caller, id: string): Promise<TaskView> {
  return changeTask(ports, caller, id, { action: 'revoke', right: 'end', target: 'revoked', cut: 'for-ever' })
}
