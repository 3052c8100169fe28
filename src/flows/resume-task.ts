import type { Caller } from '#authentication/index.ts'
import type { TaskView } from '#tasks/index.ts'
import { changeTask } from './change-task.ts'
import type { StoryPorts } from './ports.ts'

/**
 * Lets a suspended task go on. Brings no token back. By the owner or an operator, not by the agent.
 * @throws AUTHENTICATION_REQUIRED, TASK_NOT_FOUND, ROLE_REQUIRED, TASK_COMPLETED, TASK_REVOKED, TASK_EXPIRED
 */
export async function resumeTask(ports: StoryPorts, caller: Caller, id: string): Promise<TaskView> {
  return changeTask(ports, caller, id, { action: 'resume', right: 'hold', target: 'active', cut: 'none' })
}
