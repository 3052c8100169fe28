import { toBase64Url } from '#kernel/bytes.ts'
import { newId } from '#kernel/ids.ts'
import { after, earliest, type Instant } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import type { AgentRecord, InstanceRecord } from '#registry/index.ts'
import { tasksError } from './errors.ts'
import type { AuthorizationDetail, TaskRecord } from './records.ts'

export const TASK_LIMITS = { derivations: 1_000_000, defaultDerivations: 100 } as const

export interface Opening {
  readonly agent: AgentRecord
  /** Null leaves it to any instance of the agent. */
  readonly instance: InstanceRecord | null
  readonly subject: string
  /** SHA-256 of the proof of a user, hex. */
  readonly subjectProof: string | null
  readonly createdBy: string
  readonly authority: readonly AuthorizationDetail[]
  readonly deadline: Instant | null
  readonly maxDepth: number | null
  readonly maxDerivations: number | null
}

/**
 * A task of an agent. What is left out is as much as the agent is allowed; whether it is allowed what is asked for,
 * policy says, and whether whoever opens it may speak for the subject, whoever calls this.
 * @throws TASK_DEADLINE_INVALID, TASK_LIMIT_INVALID
 */
export function openedTask(opening: Opening, now: Instant, random: Random): TaskRecord {
  const { agent, instance, subject, subjectProof, createdBy } = opening
  const latest = after(now, agent.maxTaskLifetime)
  const deadline = opening.deadline ?? latest
  if (deadline <= now || deadline > latest) throw tasksError('TASK_DEADLINE_INVALID')
  return {
    id: newId('task', now, random),
    agent: agent.id,
    instance: instance?.id ?? null,
    owner: agent.owner,
    subject,
    subjectProof,
    authority: opening.authority,
    transaction: toBase64Url(random.bytes(16)),
    deadline: earliest(deadline, latest),
    maxDepth: limit(opening.maxDepth ?? agent.maxDepth, agent.maxDepth),
    maxDerivations: limit(opening.maxDerivations ?? TASK_LIMITS.defaultDerivations, TASK_LIMITS.derivations),
    state: 'active',
    version: 1,
    createdBy,
    createdAt: now,
    endedAt: null,
  }
}

function limit(value: number, maximum: number): number {
  if (!Number.isSafeInteger(value) || value < 0 || value > maximum) throw tasksError('TASK_LIMIT_INVALID')
  return value
}
