import type { Caller } from '#authentication/index.ts'
import type { TaskView } from '#tasks/index.ts'
import { changeTask } from './change-task.ts'
import type { StoryPorts } from './ports.ts'

/**
 * Stops a task for the time being. Its tokens are dead for good; after `resume` the agent asks for new ones. By the
 * owner or an operator.
 * @throws AUTHENTICATION_REQUIRED, TASK_NOT_FOUND, ROLE_REQUIRED, TASK_COMPLETED, TASK_REVOKED, TASK_EXPIRED
 */
export async function suspendTask(ports: StoryPorts, caller: Caller, id: string): Promise<TaskView> {
  return changeTask(ports, caller, id, { action: 'suspend', right: 'hold', target: 'suspended', cut: 'so-far' })
}
