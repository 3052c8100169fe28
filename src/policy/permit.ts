import type { KeyClass } from '#kernel/algorithms.ts'
import type { Instant, Milliseconds } from '#kernel/instant.ts'
import type { AgentRecord } from '#registry/index.ts'
import type { AuthorizationDetail } from '#tasks/index.ts'
import { Grant } from './grant.ts'
import { rightsOf, wantedOf, type DecisionInput, type Request } from './input.ts'

/** What this room needs to know of a registration. */
export interface Registered {
  readonly agent: AgentRecord
  readonly spiffeId: { toString(): string }
  readonly dnsNames: readonly string[]
  readonly x509Lifetime: Milliseconds
}

/**
 * May this registration have an X.509-SVID for a key of this class?
 * @throws POLICY_AGENT_NOT_ACTIVE, POLICY_SPIFFE_ID, POLICY_KEY_CLASS, POLICY_DNS_NAME, POLICY_LIFETIME
 */
export function permitIssuance(
  registration: Registered,
  facts: { readonly at: Instant; readonly keyClass: KeyClass },
): Grant {
  return Grant.decide(
    inputOf(registration.agent, facts.at, {
      purpose: 'x509-svid',
      spiffe_id: registration.spiffeId.toString(),
      dns_names: [...registration.dnsNames].sort(),
      key_class: facts.keyClass,
      lifetime: registration.x509Lifetime,
    }),
  )
}

/**
 * May the agent have a JWT-SVID for these audiences? Our own issuer is always one of them that it may name, since an
 * exchange starts with it; any other must be in its permissions.
 * @throws POLICY_AGENT_NOT_ACTIVE, POLICY_SPIFFE_ID, POLICY_AUDIENCE, POLICY_LIFETIME
 */
export function permitJwtSvid(
  agent: AgentRecord,
  audiences: readonly string[],
  facts: { readonly at: Instant; readonly spiffeId: string; readonly issuer: string; readonly lifetime: Milliseconds },
): Grant {
  return Grant.decide(
    inputOf(agent, facts.at, {
      purpose: 'jwt-svid',
      spiffe_id: facts.spiffeId,
      audiences: [...audiences].sort(),
      issuer: facts.issuer,
      lifetime: facts.lifetime,
    }),
  )
}

/**
 * May the agent open a task with this authority for itself?
 * @throws POLICY_AGENT_NOT_ACTIVE, POLICY_DEPTH, POLICY_LIFETIME, POLICY_AUDIENCE, POLICY_ACTION
 */
export function permitTask(
  agent: AgentRecord,
  authority: readonly AuthorizationDetail[],
  facts: { readonly at: Instant; readonly deadline: Instant; readonly maxDepth: number },
): Grant {
  const request = { authority: wantedOf(authority), deadline: facts.deadline, max_depth: facts.maxDepth }
  return Grant.decide(inputOf(agent, facts.at, { purpose: 'task', ...request }), authority)
}

/** What this room needs to know of a mandate. */
export interface Mandated {
  readonly task: string
  readonly subject: string
  /** SPIFFE ID of the current actor. */
  readonly actor: string
  readonly audience: string
  readonly authority: readonly AuthorizationDetail[]
  readonly depth: number
  readonly expiresAt: Instant
}

/**
 * May the agent have a task token for this mandate? The registration is asked again at every exchange: what it has
 * lost since the task was opened is lost.
 * @throws POLICY_AGENT_NOT_ACTIVE, POLICY_SPIFFE_ID, POLICY_KEY_CLASS, POLICY_ATTESTATION_AGE, POLICY_DEPTH,
 * POLICY_LIFETIME, POLICY_AUDIENCE, POLICY_ACTION
 */
export function permitToken(
  mandate: Mandated,
  agent: AgentRecord,
  facts: { readonly at: Instant; readonly attestedAt: Instant; readonly keyClass: KeyClass },
): Grant {
  const request: Request = {
    purpose: 'task-token',
    task: mandate.task,
    subject: mandate.subject,
    actor: mandate.actor,
    audience: mandate.audience,
    authority: wantedOf(mandate.authority),
    depth: mandate.depth,
    expires_at: mandate.expiresAt,
    attested_at: facts.attestedAt,
    key_class: facts.keyClass,
  }
  return Grant.decide(inputOf(agent, facts.at, request), mandate.authority)
}

function inputOf(agent: AgentRecord, at: Instant, request: Request): DecisionInput {
  return { v: 1, at, state: agent.state, rights: rightsOf(agent), request }
}
