import { record, type LeafDraft } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { isUserSubject } from '#jwt/index.ts'
import { after, SECOND, type Instant } from '#kernel/instant.ts'
import type { Secret } from '#kernel/secret.ts'
import { permitTask, type Grant } from '#policy/index.ts'
import { openedTask, parseAuthority, ProvenUser, tasksError, viewOf } from '#tasks/index.ts'
import type { AuthorizationDetail, TaskRecord, TaskView, Users } from '#tasks/index.ts'
import type { Reader, StoryPorts } from './ports.ts'
import { recordingDenials, type Attempt } from './recorded-story.ts'
import { requireMayAct } from './subject-token.ts'
import { orchestratedOrder, ownOrder, type OrchestratedRequest } from './task-order.ts'

export interface UserToken {
  readonly token: Secret<string>
  /** What the client sent to the issuer; where it is given, the token must have it. */
  readonly nonce: string | null
}

export interface OpenTaskPorts extends StoryPorts {
  readonly users: Users
}

export interface OpenTaskRequest {
  readonly authority: unknown
  /** Seconds from now, or a moment; both null for as long as the agent is allowed. */
  readonly expiresIn: number | null
  readonly deadline: Instant | null
  readonly maxDepth: number | null
  readonly maxDerivations: number | null
  /** Whom the task is for, by an ID token of theirs. */
  readonly user: UserToken | null
  /** What an orchestrator names; null where the caller works itself. */
  readonly orchestrated: OrchestratedRequest | null
}

/**
 * An agent opens a task for itself or for a user who has proved who they are, or an orchestrator one of an agent for a
 * user, both from its lists; always within the registration of the agent.
 * @throws CALLER_NOT_AGENT, the codes of `orchestratedOrder`, USER_TOKEN_*, MAY_ACT_REFUSED, INVALID_AUTHORIZATION_DETAILS, TARGET_UNKNOWN,
 *   TARGET_ACTION_UNKNOWN, TASK_DEADLINE_INVALID, TASK_LIMIT_INVALID, POLICY_*, STANDING_CHANGED, PRINCIPAL_CHANGED
 */
export async function openTask(ports: OpenTaskPorts, caller: Caller, request: OpenTaskRequest): Promise<TaskView> {
  // 1. Who is to work, and for whom.
  const { orchestrated } = request
  const own = orchestrated === null ? caller.requireAgent() : null
  return recordingDenials(ports, attemptOf(caller, request), async (watched) => {
    const prove = () => proveUser(watched, caller, request.user)
    const order =
      own === null
        ? await orchestratedOrder(watched.reader, caller, orchestrated ?? NOTHING_NAMED, prove)
        : ownOrder(own, await prove())
    const { agent } = order
    // 2. What it is to allow: well-formed, and known to the resources that it names.
    const authority = parseAuthority(request.authority)
    await requireKnown(watched.reader, authority)
    // 3. Until when, and how far down.
    const now = watched.clock.now()
    const { maxDepth, maxDerivations } = request
    const terms = { authority, deadline: deadlineOf(request, now), maxDepth, maxDerivations }
    const opening = { ...order, ...terms, createdBy: caller.name }
    const task = openedTask(opening, now, watched.random)
    // 4. May it?
    const grant = permitTask(agent, authority, { at: now, deadline: task.deadline, maxDepth: task.maxDepth })
    // 5. Commit, as long as everything is what was decided on.
    await record(watched.journal, {
      lock: 'issue',
      guards: order.guards,
      changes: [...order.changes, { op: 'insert', table: 'Task', row: task, refuse: () => tasksError('TASK_CHANGED') }],
      leaf: leafOf(task, grant),
      events: [
        { type: 'task.opened', data: { task: task.id, agent: agent.id, state: task.state, version: task.version } },
      ],
    })
    return viewOf(task, agent.name, now)
  })
}

async function proveUser(
  { users, clock }: OpenTaskPorts,
  caller: Caller,
  user: UserToken | null,
): Promise<ProvenUser | null> {
  if (user === null) return null
  const proven = await ProvenUser.verify(users, user.token.reveal(), { now: clock.now(), nonce: user.nonce })
  requireMayAct(proven.mayAct, caller.name)
  return proven
}

async function requireKnown(reader: Reader, authority: readonly AuthorizationDetail[]): Promise<void> {
  const audiences = [...new Set(authority.map((detail) => detail.resource))]
  const where = { audience: { in: audiences }, state: 'active' as const }
  const resources = await reader.list('Resource', { where, limit: audiences.length })
  for (const detail of authority) {
    const resource = resources.find((one) => one.audience === detail.resource)
    if (resource === undefined) throw tasksError('TARGET_UNKNOWN')
    if (!detail.actions.every((action) => resource.actions.includes(action))) throw tasksError('TARGET_ACTION_UNKNOWN')
  }
}

function deadlineOf(request: OpenTaskRequest, now: Instant): Instant | null {
  const { expiresIn, deadline } = request
  if (expiresIn === null) return deadline
  if (deadline !== null || !Number.isSafeInteger(expiresIn) || expiresIn <= 0) throw tasksError('TASK_DEADLINE_INVALID')
  return after(now, expiresIn * SECOND)
}

function attemptOf(caller: Caller, { orchestrated }: OpenTaskRequest): Attempt {
  const { identity } = caller
  const what = { type: 'task.opened', actor: caller.name }
  if (identity.kind === 'agent') return { ...what, object: `agent:${identity.agent.id}` }
  const { agent, subject } = orchestrated ?? NOTHING_NAMED
  return { ...what, object: 'task:new', explain: () => ({ agent: agent ?? '', subject: subject ?? '' }) }
}

const NOTHING_NAMED: OrchestratedRequest = { agent: null, instance: null, subject: null }

/** Whom it is for is personal data where it is a person, and lies beside the leaf. */
function leafOf(task: TaskRecord, grant: Grant): LeafDraft {
  const instance = task.instance === null ? {} : { instance: task.instance }
  const proof = task.subjectProof === null ? {} : { proof: `sha-256:${task.subjectProof}` }
  return {
    type: 'task.opened',
    actor: task.createdBy,
    object: `task:${task.id}`,
    decision: 'permit',
    inputDigest: grant.inputDigest,
    policy: grant.policyDigest,
    commitments: { agent: task.agent, ...instance, ...proof, transaction: task.transaction },
    private: { input: grant.input, ...(isUserSubject(task.subject) ? { subject: task.subject } : {}) },
  }
}
