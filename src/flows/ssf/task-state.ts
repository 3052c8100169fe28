import type { OutboxRecord } from '#audit/index.ts'
import { SECURITY_EVENTS } from '#jwt/index.ts'
import { toNumericDate } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { SsfStreamRecord } from '#revocation/index.ts'
import type { TaskRecord } from '#tasks/index.ts'
import type { Reader } from '../ports.ts'
import type { SetDraft } from './sets.ts'

/** Every event of the outbox by which a task gets another state. A deadline ends it with none: it is told beforehand. */
export const TASK_EVENTS: readonly string[] = [
  'task.opened',
  'task.active',
  'task.suspended',
  'task.completed',
  'task.revoked',
]

/** A task, and what one event made of it. */
export interface ChangedTask {
  readonly record: TaskRecord
  readonly state: string
  /** Of the changes of this task, from 1 on and without a gap. */
  readonly count: number
}

/** Null for an event that changes no task, or was written before events said how. */
export async function changedTask(reader: Reader, { type, data }: OutboxRecord): Promise<ChangedTask | null> {
  const { task: id, state, version: count } = data
  if (!TASK_EVENTS.includes(type) || typeof id !== 'string') return null
  if (typeof state !== 'string' || typeof count !== 'number') return null
  const record = await reader.find('Task', { id })
  return record === null ? null : { record, state, count }
}

/** What a stream is told of it, where the task is about its audience. Whom the task is for is not said. */
export function taskDrafts(
  stream: Pick<SsfStreamRecord, 'audience'>,
  task: ChangedTask | null,
  told: { readonly facts: JsonObject; readonly transaction: string },
): readonly SetDraft[] {
  if (task === null || !task.record.authority.some(({ resource }) => resource === stream.audience)) return []
  const { record, state, count } = task
  return [
    {
      subject: { format: 'opaque', id: record.id },
      type: SECURITY_EVENTS.taskState,
      event: { ...told.facts, state, count, deadline: toNumericDate(record.deadline) },
      transaction: told.transaction,
    },
  ]
}
