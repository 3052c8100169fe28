import { registryError } from './errors.ts'
import type { AgentRecord, InstanceRecord } from './records.ts'

/** What the matching rule looks at of an attestation, or of the instance that an earlier one made. */
export interface MatchFacts {
  readonly attestor: string
  readonly selectors: readonly string[]
  /** Id of the agent that the evidence itself names (a join token does); null when it names none. */
  readonly namedAgent: string | null
}

export interface MatchExplanation {
  readonly agent: string
  readonly name: string
  readonly matches: boolean
  /** Why it does not, one sentence each; empty when it does. For operators and the log, never for the caller. */
  readonly reasons: readonly string[]
}

/** Says of each candidate whether it matches and, if not, everything that stands in the way. */
export function explainMatch(facts: MatchFacts, candidates: readonly AgentRecord[]): readonly MatchExplanation[] {
  return candidates.map((agent) => {
    const reasons = reasonsAgainst(facts, agent)
    return { agent: agent.id, name: agent.name, matches: reasons.length === 0, reasons }
  })
}

/**
 * All selectors of an agent must be among those of the evidence. An agent with none matches nothing but an evidence
 * that names it, and an evidence that names an agent matches no other.
 */
export function reasonsAgainst(facts: MatchFacts, agent: AgentRecord): readonly string[] {
  const reasons: string[] = []
  if (agent.state !== 'active') reasons.push(`the agent is ${agent.state}`)
  if (facts.namedAgent !== null && facts.namedAgent !== agent.id) reasons.push('the evidence names another agent')
  if (agent.selectors.length === 0 && facts.namedAgent === null) {
    reasons.push('the agent has no selectors, and the evidence does not name it')
  }
  for (const selector of agent.selectors) {
    if (!facts.selectors.includes(selector)) reasons.push(`the evidence has no ${selector}`)
  }
  return reasons
}

/**
 * The one agent that the evidence is for. When the request names an agent, the others are not candidates.
 * @throws AGENT_NOT_MATCHED, AGENT_AMBIGUOUS; AGENT_SUSPENDED only to who would match an agent that is suspended
 */
export function matchAgent(
  facts: MatchFacts,
  candidates: readonly AgentRecord[],
  requested: string | null,
): AgentRecord {
  const considered = candidates.filter((agent) => requested === null || agent.name === requested)
  const matching = considered.filter((agent) => reasonsAgainst(facts, agent).length === 0)
  const [only, second] = matching
  if (second !== undefined) throw registryError('AGENT_AMBIGUOUS', { details: { agents: matching.length } })
  if (only !== undefined) return only
  refuseSuspended(facts, considered)
  throw registryError('AGENT_NOT_MATCHED')
}

function refuseSuspended(facts: MatchFacts, considered: readonly AgentRecord[]): void {
  const would = considered.filter((agent) => reasonsAgainst(facts, { ...agent, state: 'active' }).length === 0)
  const suspended = would.find((agent) => agent.state === 'suspended')
  if (suspended !== undefined) throw registryError('AGENT_SUSPENDED', { details: { agent: suspended.id } })
}

/**
 * An instance without selectors was made by an evidence that named its agent, and still stands for that agent; were
 * its agent given selectors since, it would match no more.
 */
export function factsOf(instance: InstanceRecord): MatchFacts {
  const namedAgent = instance.selectors.length === 0 ? instance.agent : null
  return { attestor: instance.attestor, selectors: instance.selectors, namedAgent }
}
