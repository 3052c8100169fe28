import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import { administers, registryError, type AgentRecord } from '#registry/index.ts'
import {
  FOR_EVER,
  pastEverything,
  raiseCutoff,
  revocationError,
  revocationNotice,
  type CutoffChange,
  type CutoffKind,
} from '#revocation/index.ts'
import type { Guard, Reader } from '../ports.ts'
import { NOTHING_BESIDES, type Besides } from '../approvals/besides.ts'
import { recordingDenials } from '../recorded-story.ts'
import { findAgent } from './agents.ts'
import { adminLeaf, type AdminPorts } from './standing.ts'

export interface AgentStateRequest {
  readonly name: string
  /** When given, the change is refused unless the agent is still at this version. */
  readonly version?: number | undefined
}

/** One change of an agent's state, as data. */
interface Step {
  readonly type: string
  readonly from: readonly AgentRecord['state'][]
  readonly to: AgentRecord['state']
  readonly cut: { readonly kind: CutoffKind; readonly for: 'until-now' | 'ever' } | null
  readonly also?: Besides
}

/**
 * Stops an agent: it gets nothing new, and all its tokens, with what was derived from them, are dead for good. Its
 * certificates stay; receivers on the feed refuse them while it is suspended.
 * @throws ROLE_REQUIRED, AGENT_UNKNOWN, AGENT_STATE, AGENT_CHANGED, CUTOFF_OUTDATED when others keep issuing for it under
 *   clocks ahead of ours
 */
export function suspendAgent(ports: AdminPorts, caller: Caller, request: AgentStateRequest): Promise<AgentRecord> {
  return changeState(ports, caller, request, SUSPEND)
}

/** Lets a suspended agent go on; what was killed stays dead. @throws as suspendAgent */
export function resumeAgent(ports: AdminPorts, caller: Caller, request: AgentStateRequest): Promise<AgentRecord> {
  return changeState(ports, caller, request, RESUME)
}

/**
 * Ends an agent for ever, with its certificates and tokens. Its name stays taken. `also` goes into the same commit.
 * @throws as suspendAgent
 */
export function retireAgent(
  ports: AdminPorts,
  caller: Caller,
  request: AgentStateRequest,
  also: Besides = NOTHING_BESIDES,
): Promise<AgentRecord> {
  return changeState(ports, caller, request, { ...RETIRE, also })
}

/** The agent that `retireAgent` would end now. @throws as suspendAgent */
export function foreseeRetirement(
  { reader }: Pick<AdminPorts, 'reader'>,
  caller: Caller,
  request: AgentStateRequest,
): Promise<AgentRecord> {
  return findChangeable(reader, caller, request, RETIRE)
}

/** A token may be issued between our looking for the last one and the commit. */
const ATTEMPTS = 5

const SUSPEND: Step = {
  type: 'agent.suspended',
  from: ['active'],
  to: 'suspended',
  // `actor` reaches tokens and not certificates: with those the agent goes on once it is resumed.
  cut: { kind: 'actor', for: 'until-now' },
}
const RESUME: Step = { type: 'agent.resumed', from: ['suspended'], to: 'active', cut: null }
const RETIRE: Step = {
  type: 'agent.retired',
  from: ['active', 'suspended'],
  to: 'retired',
  cut: { kind: 'agent', for: 'ever' },
}

function changeState(ports: AdminPorts, caller: Caller, request: AgentStateRequest, step: Step): Promise<AgentRecord> {
  const attempt = { type: step.type, actor: caller.name, object: `agent:${request.name}` }
  return recordingDenials(ports, attempt, async (watched) => {
    for (let left = ATTEMPTS - 1; ; left--) {
      // 1. Who may, and whether there is such a step from where the agent is.
      const agent = await findChangeable(watched.reader, caller, request, step)
      try {
        return await applyStep(watched, caller, agent, step)
      } catch (error) {
        if (left === 0 || !isWritError(error, 'CUTOFF_OUTDATED')) throw error
      }
    }
  })
}

async function findChangeable(
  reader: Reader,
  caller: Caller,
  { name, version }: AgentStateRequest,
  { from }: Step,
): Promise<AgentRecord> {
  caller.requireRole('operator')
  const agent = await findAgent(reader, name)
  if (administers(agent)) caller.requireRole('admin')
  if (version !== undefined && version !== agent.version) throw registryError('AGENT_CHANGED')
  if (!from.includes(agent.state)) throw registryError('AGENT_STATE', { details: { state: agent.state } })
  return agent
}

async function applyStep(ports: AdminPorts, caller: Caller, agent: AgentRecord, step: Step): Promise<AgentRecord> {
  // 2. One commit under the lock that every issuance shares: whoever issues comes before it or finds it done.
  const now = ports.clock.now()
  const set = { state: step.to, version: agent.version + 1, updatedAt: now }
  const also = step.also ?? NOTHING_BESIDES
  const cut = cutOf(agent, step, { actor: caller.name, at: now, last: await lastIssueTime(ports, agent, now) })
  await record(ports.journal, {
    lock: 'revoke',
    guards: [...cut.guards, ...also.guards],
    changes: [
      {
        op: 'update',
        table: 'Agent',
        where: { id: agent.id, version: agent.version },
        set,
        refuse: () => registryError('AGENT_CHANGED'),
      },
      ...cut.changes,
      ...also.changes,
    ],
    leaf: adminLeaf(
      { type: step.type, actor: caller.name, object: `agent:${agent.id}` },
      { name: agent.name, version: String(set.version), ...also.commitments },
    ),
    events: [
      {
        type: step.type,
        data: {
          agent: agent.id,
          version: set.version,
          ...revocationNotice(
            now,
            cut.changes.map(({ row }) => row),
          ),
        },
      },
    ],
  })
  return { ...agent, ...set }
}

/** A clock that was set back must not let a token live that was issued before. */
async function lastIssueTime(ports: AdminPorts, agent: AgentRecord, now: Instant): Promise<Instant> {
  const query = { where: { agent: agent.id }, orderBy: 'issuedAt', direction: 'descending', limit: 1 } as const
  const [last] = await ports.reader.list('TaskToken', query)
  return last === undefined || last.issuedAt < now ? now : last.issuedAt
}

function cutOf(
  agent: AgentRecord,
  step: Step,
  by: { readonly actor: string; readonly at: Instant; readonly last: Instant },
): { readonly guards: readonly Guard[]; readonly changes: readonly CutoffChange[] } {
  if (step.cut === null) return { guards: [], changes: [] }
  const before = step.cut.for === 'ever' ? FOR_EVER : pastEverything(by.at, by.last)
  const cut = { kind: step.cut.kind, value: agent.id, before, reason: step.type }
  const refuse = () => revocationError('CUTOFF_OUTDATED')
  const { guard, change } = raiseCutoff(cut, by, refuse)
  // Another replica's clock may be ahead of ours; what it has issued meanwhile has to be reached as well.
  const where = { agent: agent.id, issuedAt: { gte: before } }
  return { guards: [guard, { table: 'TaskToken', must: 'not-exist', where, refuse }], changes: [change] }
}
