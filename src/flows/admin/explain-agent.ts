import { attestationError, attestorNamed, type Attestor } from '#attestation/index.ts'
import type { Caller } from '#authentication/index.ts'
import type { Clock } from '#kernel/clock.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Random } from '#kernel/random.ts'
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

/** Facts as an attestor would show them, the instance that they once made, or evidence, which is not used up. */
export type ExplainRequest =
  | { readonly selectors: readonly string[] }
  | { readonly instance: string }
  | { readonly attestor: string; readonly provider?: string | undefined; readonly evidence: JsonObject }

export interface ExplainPorts {
  readonly reader: Reader
  readonly attestors: readonly Attestor[]
  readonly clock: Clock
  readonly random: Random
}

export interface AgentExplanation {
  readonly attestor: string
  readonly selectors: readonly string[]
  /** Who matches, then whoever lacks least; bounded. */
  readonly agents: readonly MatchExplanation[]
}

const NEAREST = 10

/**
 * Which agent evidence is for, or what stands in the way of the nearest ones.
 * @throws ROLE_REQUIRED, INSTANCE_UNKNOWN, AGENT_SELECTOR_INVALID, AGENT_SELECTORS_MIXED, what the attestor throws
 */
export async function explainAgent(
  ports: ExplainPorts,
  caller: Caller,
  request: ExplainRequest,
): Promise<AgentExplanation> {
  caller.requireRole(...READERS)
  const facts = await findFacts(ports, caller, request)
  const explained = [...explainMatch(facts, await listCandidates(ports.reader))]
  explained.sort((left, right) => left.reasons.length - right.reasons.length || (left.name < right.name ? -1 : 1))
  return { attestor: facts.attestor, selectors: facts.selectors, agents: explained.slice(0, NEAREST) }
}

async function findFacts(ports: ExplainPorts, caller: Caller, request: ExplainRequest): Promise<MatchFacts> {
  if ('selectors' in request) {
    const selectors = parseSelectors(request.selectors)
    return { attestor: attestorOf(selectors), selectors, namedAgent: null }
  }
  if ('evidence' in request) return shownBy(ports, caller, request)
  const instance = await ports.reader.find('Instance', { id: request.instance })
  if (instance === null) throw registryError('INSTANCE_UNKNOWN')
  return factsOf(instance)
}

async function shownBy(
  { attestors, clock, random }: ExplainPorts,
  caller: Caller,
  { attestor, provider, evidence }: Extract<ExplainRequest, { readonly attestor: string }>,
): Promise<MatchFacts> {
  // There is no request here: evidence that is bound to one can only be challenged, or does not hold.
  const unbound = { csrDigest: '', publicKey: new Uint8Array() }
  const context = { ...unbound, address: caller.address, provider, now: clock.now(), random }
  const attestation = await attestorNamed(attestors, attestor).begin(evidence, context)
  if (attestation.kind === 'challenge') throw attestationError('ATTESTOR_UNKNOWN')
  return attestation.attested
}
