import type { Caller } from '#authentication/index.ts'
import { REACH } from '#revocation/index.ts'
import type { AgentRecord } from '#registry/index.ts'
import { foreseeRetirement, retireAgent, type AgentStateRequest } from '../admin/agent-state.ts'
import type { AdminPorts } from '../admin/standing.ts'
import { recordingDenials } from '../recorded-story.ts'
import { countInstances } from '../revoke/hits.ts'
import { OPEN, requireApproval, type ApprovalPorts, type ApprovalTerms, type Passage } from './require-approval.ts'
import { requestOf, RETIRED } from './rules.ts'
import type { Gated } from './step-authority.ts'

export type GatedRetirementRequest = AgentStateRequest & ApprovalTerms

/**
 * `retireAgent` under the two-person rule: it takes back whatever revoking by agent does, and for ever. What only stops
 * an agent for a while waits for nobody.
 * @throws as it, and as `requireApproval`
 */
export async function retireAgentApproved(
  ports: AdminPorts & ApprovalPorts,
  caller: Caller,
  { approval, breakGlass, ...request }: GatedRetirementRequest,
): Promise<Gated<AgentRecord>> {
  const passage = await passageOf(ports, caller, request, { approval, breakGlass })
  if (passage.kind === 'asked') return passage
  return { kind: 'done', answer: await retireAgent(ports, caller, request, passage.besides) }
}

async function passageOf(
  ports: AdminPorts & ApprovalPorts,
  caller: Caller,
  request: AgentStateRequest,
  terms: ApprovalTerms,
): Promise<Passage> {
  const rule = ports.approvals.massRevocation
  if (rule.needed === 0) return OPEN
  const attempt = { type: RETIRED, actor: caller.name, object: `agent:${request.name}` }
  return recordingDenials(ports, attempt, async (watched) => {
    const agent = await foreseeRetirement(watched, caller, request)
    if ((await livingOf(watched, agent)) <= rule.above) return OPEN
    return requireApproval(watched, caller, { kind: RETIRED, request: requestOf({ ...request }), rule }, terms)
  })
}

function livingOf({ reader }: Pick<AdminPorts, 'reader'>, { id, name }: AgentRecord): Promise<number> {
  const request = { handle: 'agent', value: name, reason: 'cessation_of_operation' } as const
  return countInstances(reader, { request, cut: { ...REACH.agent, value: id }, keys: [], changes: [], done: false })
}
