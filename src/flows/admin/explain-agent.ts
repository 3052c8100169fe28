import type { Caller } from '#authentication/index.ts'
import {
  attestorOf,
  explainMatch,
  factsOf,
  parseSelectors,
  registryError,
  type MatchExplanation,
  type MatchFacts,
} from '#registry/index.ts'
import { listCandidates } from '../agent-candidates.ts'
import type { Reader } from '../ports.ts'
import { READERS } from './standing.ts'

/** Facts as an attestor would show them, or the instance that they once made. */
export type ExplainRequest = { readonly selectors: readonly string[] } | { readonly instance: string }

export interface AgentExplanation {
  readonly attestor: string
  readonly selectors: readonly string[]
  /** Who matches, then whoever lacks least; bounded. */
  readonly agents: readonly MatchExplanation[]
}

const NEAREST = 10

/**
 * Which agent evidence is for, or what stands in the way of the nearest ones.
 * @throws ROLE_REQUIRED, INSTANCE_UNKNOWN, AGENT_SELECTOR_INVALID, AGENT_SELECTORS_MIXED
 */
export async function explainAgent(
  ports: { readonly reader: Reader },
  caller: Caller,
  request: ExplainRequest,
): Promise<AgentExplanation> {
  caller.requireRole(...READERS)
  const facts = await findFacts(ports.reader, request)
  const explained = [...explainMatch(facts, await listCandidates(ports.reader))]
  explained.sort((left, right) => left.reasons.length - right.reasons.length || (left.name < right.name ? -1 : 1))
  return { attestor: facts.attestor, selectors: facts.selectors, agents: explained.slice(0, NEAREST) }
}

async function findFacts(reader: Reader, request: ExplainRequest): Promise<MatchFacts> {
  if ('selectors' in request) {
    const selectors = parseSelectors(request.selectors)
    return { attestor: attestorOf(selectors), selectors, namedAgent: null }
  }
  const instance = await reader.find('Instance', { id: request.instance })
  if (instance === null) throw registryError('INSTANCE_UNKNOWN')
  return factsOf(instance)
}
