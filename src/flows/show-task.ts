import type { Caller } from '#authentication/index.ts'
import { viewOf, type TaskView } from '#tasks/index.ts'
import { recordingDenials } from './recorded-story.ts'
import type { StoryPorts } from './ports.ts'
import { findTask } from './task-access.ts'

/** @throws AUTHENTICATION_REQUIRED, TASK_NOT_FOUND for an unknown task and for one of somebody else alike */
export async function showTask(ports: StoryPorts, caller: Caller, id: string): Promise<TaskView> {
  const attempt = { type: 'task.shown', actor: caller.name, object: 'task' }
  return recordingDenials(ports, attempt, async ({ reader, clock }) => {
    const { task, agent } = await findTask(reader, caller, id, 'see')
    return viewOf(task, agent.name, clock.now())
  })
}
