import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import {
  FOR_EVER,
  pastEverything,
  raiseCutoff,
  revocationError,
  revocationNotice,
  type CutoffChange,
} from '#revocation/index.ts'
import { isEnded, nextState, stateAt, tasksError, viewOf } from '#tasks/index.ts'
import type { TaskAction, TaskRecord, TaskState, TaskView } from '#tasks/index.ts'
import { recordingDenials } from './recorded-story.ts'
import type { Guard, Reader, StoryPorts } from './ports.ts'
import { findTask, type TaskRight } from './task-access.ts'

/** One way in which a task changes. */
export interface TaskChange {
  readonly action: Exclude<TaskAction, 'activate' | 'expire'>
  readonly right: TaskRight
  /** The state that it leads to: asked for again, the answer is the same and nothing happens. */
  readonly target: TaskState
  /** How far its tokens are cut off: all there will ever be, all that there are, or none. */
  readonly cut: 'for-ever' | 'so-far' | 'none'
}

const ATTEMPTS = 5

/**
 * Changes the state of a task in one commit: state, cutoff of its tokens, event and leaf. Under the exclusive lock no
 * exchange is half-way through: one that committed before is reached by the cutoff, one that comes later sees the state.
 * @throws AUTHENTICATION_REQUIRED, TASK_NOT_FOUND, ROLE_REQUIRED, TASK_TRANSITION_INVALID, TASK_CHANGED,
 *   TASK_EXPIRED, TASK_COMPLETED, TASK_REVOKED
 */
export async function changeTask(ports: StoryPorts, caller: Caller, id: string, change: TaskChange): Promise<TaskView> {
  const attempt = { type: `task.${change.target}`, actor: caller.name, object: 'task' }
  return recordingDenials(ports, attempt, async (watched) => {
    for (let left = ATTEMPTS - 1; ; left--) {
      try {
        return await changeOnce(watched, caller, id, change)
      } catch (error) {
        if (left === 0 || !isWritError(error, 'TASK_CHANGED', 'CUTOFF_OUTDATED')) throw error
      }
    }
  })
}

async function changeOnce(ports: StoryPorts, caller: Caller, id: string, change: TaskChange): Promise<TaskView> {
  const { reader, journal, clock } = ports
  // 1. Whose task is it, and may the caller do this to it?
  const { task, agent } = await findTask(reader, caller, id, change.right)
  // 2. From this state? What is there already is not done again.
  const now = clock.now()
  if (stateAt(task, now) === change.target) return viewOf(task, agent.name, now)
  const state = nextState(task, change.action, now)
  const set = { state, version: task.version + 1, endedAt: isEnded(state) ? now : null }
  // 3. Commit state, cutoff, leaf and event together.
  const cut = await cutTokens(reader, task, change, { actor: caller.name, at: now })
  await record(journal, {
    lock: 'revoke',
    guards: cut.guards,
    changes: [
      {
        op: 'update',
        table: 'Task',
        where: { id: task.id, version: task.version },
        set,
        refuse: () => tasksError('TASK_CHANGED'),
      },
      ...cut.changes,
    ],
    leaf: {
      type: `task.${change.target}`,
      actor: caller.name,
      object: `task:${task.id}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: { agent: task.agent, from: task.state, to: state, transaction: task.transaction },
    },
    events: [
      {
        type: `task.${change.target}`,
        data: {
          task: task.id,
          agent: task.agent,
          state,
          version: set.version,
          ...revocationNotice(
            now,
            cut.changes.map(({ row }) => row),
          ),
        },
      },
    ],
  })
  return viewOf({ ...task, ...set }, agent.name, now)
}

interface TokenCut {
  readonly guards: readonly Guard[]
  readonly changes: readonly CutoffChange[]
}

async function cutTokens(
  reader: Reader,
  task: TaskRecord,
  change: TaskChange,
  by: { readonly actor: string; readonly at: Instant },
): Promise<TokenCut> {
  if (change.cut === 'none') return { guards: [], changes: [] }
  const refuse = () => revocationError('CUTOFF_OUTDATED')
  const before = change.cut === 'for-ever' ? FOR_EVER : pastEverything(by.at, await lastIssue(reader, task.id, by.at))
  const raised = raiseCutoff({ kind: 'task', value: task.id, before, reason: `task.${change.target}` }, by, refuse)
  // Another replica's clock may be ahead of ours; what it has issued meanwhile has to be reached as well.
  const none = { table: 'TaskToken', must: 'not-exist', where: { task: task.id, issuedAt: { gte: before } } } as const
  return { guards: [raised.guard, { ...none, refuse }], changes: [raised.change] }
}

async function lastIssue(reader: Reader, task: string, otherwise: Instant): Promise<Instant> {
  const [last] = await reader.list('TaskToken', {
    where: { task },
    orderBy: 'issuedAt',
    direction: 'descending',
    limit: 1,
  })
  return last?.issuedAt ?? otherwise
}
