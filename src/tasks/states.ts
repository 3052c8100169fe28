import type { WritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import { tasksError } from './errors.ts'
import type { TaskRecord, TaskState } from './records.ts'

export type TaskAction = 'activate' | 'suspend' | 'resume' | 'complete' | 'revoke' | 'expire'

/** pending -> active <-> suspended -> completed | revoked | expired. A state without a row is terminal. */
export const TASK_TRANSITIONS: Readonly<Record<TaskState, Readonly<Partial<Record<TaskAction, TaskState>>>>> = {
  pending: { activate: 'active', revoke: 'revoked', expire: 'expired' },
  active: { suspend: 'suspended', complete: 'completed', revoke: 'revoked', expire: 'expired' },
  suspended: { resume: 'active', complete: 'completed', revoke: 'revoked', expire: 'expired' },
  completed: {},
  revoked: {},
  expired: {},
}

/** The state that counts: a deadline ends a task by itself, whatever is stored. */
export function stateAt(task: Pick<TaskRecord, 'state' | 'deadline'>, now: Instant): TaskState {
  return isEnded(task.state) || now < task.deadline ? task.state : 'expired'
}

export function isEnded(state: TaskState): boolean {
  return Object.keys(TASK_TRANSITIONS[state]).length === 0
}

/** @throws TASK_EXPIRED, TASK_COMPLETED, TASK_REVOKED for an ended task; TASK_TRANSITION_INVALID otherwise */
export function nextState(task: Pick<TaskRecord, 'state' | 'deadline'>, action: TaskAction, now: Instant): TaskState {
  const state = stateAt(task, now)
  const next = TASK_TRANSITIONS[state][action]
  if (next !== undefined) return next
  throw isEnded(state) ? notActive(state) : tasksError('TASK_TRANSITION_INVALID', { details: { state, action } })
}

/** Only exactly `active`, before the deadline, permits anything. @throws TASK_PENDING, TASK_SUSPENDED, TASK_COMPLETED, TASK_REVOKED, TASK_EXPIRED */
export function requireActive(task: Pick<TaskRecord, 'state' | 'deadline'>, now: Instant): void {
  const state = stateAt(task, now)
  if (state !== 'active') throw notActive(state)
}

function notActive(state: TaskState): WritError {
  switch (state) {
    case 'pending':
      return tasksError('TASK_PENDING')
    case 'suspended':
      return tasksError('TASK_SUSPENDED')
    case 'completed':
      return tasksError('TASK_COMPLETED')
    case 'revoked':
      return tasksError('TASK_REVOKED')
    case 'expired':
      return tasksError('TASK_EXPIRED')
    case 'active':
      return tasksError('TASK_TRANSITION_INVALID')
  }
}
