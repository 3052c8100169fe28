import type { Caller } from '#authentication/index.ts'
import { viewOf, type TaskView } from '#tasks/index.ts'
import type { StoryPorts } from './ports.ts'
import { listable } from './task-access.ts'

export interface ListTasksRequest {
  /** 1 to 1000. */
  readonly limit: number
  /** Id of the last task of the page before. */
  readonly after: string | null
}

export interface TaskPage {
  readonly items: readonly TaskView[]
  /** What `after` must be for the next page; null when this is the last. */
  readonly next: string | null
}

/**
 * Tasks in the order in which they were opened: an agent's own, an owner's own, all for who may see all.
 * @throws AUTHENTICATION_REQUIRED
 */
export async function listTasks(
  ports: Pick<StoryPorts, 'reader' | 'clock'>,
  caller: Caller,
  request: ListTasksRequest,
): Promise<TaskPage> {
  const { reader, clock } = ports
  const { limit, after } = request
  const page = { where: listable(caller), limit, ...(after === null ? {} : { after }) }
  const tasks = await reader.list('Task', page)
  const ids = [...new Set(tasks.map((task) => task.agent))]
  const agents = ids.length === 0 ? [] : await reader.list('Agent', { where: { id: { in: ids } }, limit: ids.length })
  const names = new Map(agents.map((agent) => [agent.id, agent.name]))
  const now = clock.now()
  const items = tasks.map((task) => viewOf(task, names.get(task.agent) ?? task.agent, now))
  return { items, next: tasks.length < limit ? null : (tasks.at(-1)?.id ?? null) }
}
