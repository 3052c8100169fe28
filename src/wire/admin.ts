import { z } from 'zod'
import { approvalAsked, approvalTerms } from './approval-terms.ts'
import { oidcEvidence } from './enrollment.ts'
import {
  action,
  agentName,
  dnsName,
  id,
  instanceId,
  instantText,
  keyClass,
  listOf,
  providerName,
  resourceUri,
  seconds,
  selector,
  serial,
  spiffeIdText,
  text,
} from './values.ts'

const MINUTE = 60
const HOUR = 3_600
const DAY = 86_400
const YEAR = 31_536_000

export const permission = z.strictObject({ audience: resourceUri, actions: z.array(action).min(1).max(64) })

/** `POST /v1/agents`. What is left out takes the default of the registration. */
export const createAgentRequest = z.strictObject({
  name: agentName,
  owner: text(256),
  /** `/agent/<name>` unless it is `/admin/<name>`, a person who administers. */
  path: text(128).optional(),
  identity: z.enum(['instance', 'agent']).optional(),
  selectors: z.array(selector).max(32).optional(),
  dns_names: z.array(dnsName).max(16).optional(),
  permissions: z.array(permission).max(64).optional(),
  key_classes: z.array(keyClass).min(1).max(3).optional(),
  /** Where keys live of which no device has stated anything; certificates and tokens say that it is declared. */
  declared_key_class: keyClass.optional(),
  x509_lifetime: seconds(5 * MINUTE, DAY).optional(),
  jwt_lifetime: seconds(10, HOUR).optional(),
  token_lifetime: seconds(10, 5 * MINUTE).optional(),
  max_attestation_age: seconds(MINUTE, YEAR).optional(),
  renew_grace: seconds(0, 30 * DAY).optional(),
  max_task_lifetime: seconds(MINUTE, YEAR).optional(),
  max_depth: z.int().min(0).max(16).optional(),
})

/** `POST /v1/agents/{name}/suspend` and its siblings: `version`, so that nobody undoes what they have not seen. */
export const agentStateRequest = z.strictObject({ version: z.int().min(1).optional() }).optional()

/** `POST /v1/agents/{name}/retire`: what it takes back may need others to agree. */
export const retireAgentRequest = z.strictObject({ version: z.int().min(1).optional(), ...approvalTerms }).optional()

export type AgentStateRequest = z.output<typeof agentStateRequest>

export type CreateAgentRequest = z.output<typeof createAgentRequest>

export const agentView = z.object({
  id: id('agent'),
  name: agentName,
  owner: text(256),
  path: text(128),
  identity: z.enum(['instance', 'agent']),
  selectors: z.array(text(512)),
  dns_names: z.array(text(253)),
  permissions: z.array(z.object({ audience: resourceUri, actions: z.array(action) })),
  key_classes: z.array(keyClass),
  declared_key_class: keyClass.nullable(),
  x509_lifetime: z.int(),
  jwt_lifetime: z.int(),
  token_lifetime: z.int(),
  max_attestation_age: z.int(),
  renew_grace: z.int(),
  max_task_lifetime: z.int(),
  max_depth: z.int(),
  state: z.enum(['active', 'suspended', 'retired']),
  version: z.int(),
  created_at: instantText,
  updated_at: instantText,
})
export type AgentView = z.output<typeof agentView>

/** The agent as it ended; or, with status 202, what has to be agreed to first. */
export const agentRetired = z.union([agentView, approvalAsked])

/** `POST /v1/agents/explain`: facts as an attestor would show them, an enrolled instance, or evidence that says all. */
export const explainAgentRequest = z.union([
  z.strictObject({ selectors: z.array(selector).min(1).max(32) }),
  z.strictObject({ instance: instanceId }),
  z.strictObject({ attestor: z.literal('oidc'), provider: providerName.optional(), evidence: oidcEvidence }),
])
export type ExplainAgentRequest = z.output<typeof explainAgentRequest>

/** Who matches comes first, then whoever lacks least. */
export const agentExplanation = z.object({
  attestor: text(64),
  selectors: z.array(text(512)),
  agents: z.array(
    z.object({ id: id('agent'), name: agentName, matches: z.boolean(), reasons: z.array(z.string().max(600)) }),
  ),
})
export type AgentExplanationView = z.output<typeof agentExplanation>

/** `POST /v1/resources`. */
export const createResourceRequest = z.strictObject({
  audience: resourceUri,
  owner: text(256),
  spiffe_ids: z.array(spiffeIdText).max(64),
  actions: z.array(action).min(1).max(256),
  /** Proxies that may ask at `/v1/authz` whom to let in: SPIFFE IDs, as `spiffe_ids`. */
  proxies: z.array(spiffeIdText).max(64).optional(),
  /** Where clients reach it, without a trailing slash; DPoP proofs are compared with it. */
  url: z.string().min(8).max(255).optional(),
})
export type CreateResourceRequest = z.output<typeof createResourceRequest>

export const resourceView = z.object({
  id: id('resource'),
  audience: resourceUri,
  owner: text(256),
  spiffe_ids: z.array(spiffeIdText),
  actions: z.array(action),
  proxies: z.array(spiffeIdText),
  url: z.string().max(255).nullable(),
  state: z.enum(['active', 'retired']),
  created_at: instantText,
})
export type ResourceView = z.output<typeof resourceView>

/** `POST /v1/join-tokens`. */
export const createJoinTokenRequest = z.strictObject({ agent: agentName, expires_in: seconds(1, 30 * DAY).optional() })
export type CreateJoinTokenRequest = z.output<typeof createJoinTokenRequest>

/** The only answer that ever holds the token. */
export const joinTokenCreated = z.object({
  id: id('joinToken'),
  token: z.string().max(256),
  agent: agentName,
  expires_at: instantText,
})
export type JoinTokenCreated = z.output<typeof joinTokenCreated>

export const joinTokenView = z.object({
  id: id('joinToken'),
  agent: text(128),
  created_by: text(2048),
  created_at: instantText,
  expires_at: instantText,
  redeemed_at: instantText.nullable(),
  instance: text(64).nullable(),
})
export type JoinTokenView = z.output<typeof joinTokenView>

export const role = z.enum(['viewer', 'auditor', 'operator', 'orchestrator', 'approver', 'ca-admin', 'admin'])

/** `POST /v1/principals`: a SPIFFE ID under `/admin/`, or `local:<uid>`. */
export const createPrincipalRequest = z.strictObject({
  subject: z.union([spiffeIdText, z.string().regex(/^local:(0|[1-9][0-9]{0,9})$/)]),
  name: text(128),
  roles: z.array(role).min(1).max(7),
  /** `user:<issuer name>:<sub>` or `user:<issuer name>:*`, and names of agents, for an orchestrator. */
  subjects: z.array(text(327)).max(100).optional(),
  agents: z.array(agentName).max(64).optional(),
})
export type CreatePrincipalRequest = z.output<typeof createPrincipalRequest>

/** `POST /v1/principals/{id}/orchestration`: in place of what it was. */
export const orchestrationRequest = z.strictObject({
  subjects: z.array(text(327)).max(100),
  agents: z.array(agentName).max(64),
})
export type OrchestrationRequest = z.output<typeof orchestrationRequest>

export const principalView = z.object({
  id: id('principal'),
  subject: text(2048),
  name: text(128),
  roles: z.array(role),
  subjects: z.array(text(327)),
  agents: z.array(agentName),
  state: z.enum(['active', 'removed']),
  created_at: instantText,
})
export type PrincipalView = z.output<typeof principalView>

export const instanceView = z.object({
  id: text(64),
  spiffe_id: spiffeIdText,
  agent: text(128),
  node: text(64).nullable(),
  attestor: text(64),
  selectors: z.array(text(512)),
  key_class: keyClass,
  key_class_source: z.enum(['attested', 'declared']),
  attested_at: instantText,
  lineage: text(64),
  state: z.enum(['active', 'revoked', 'superseded']),
  created_at: instantText,
})
export type InstanceView = z.output<typeof instanceView>

export const certificateView = z.object({
  serial,
  kind: z.enum(['svid', 'server', 'authority', 'ocsp', 'canary']),
  authority: text(64),
  spiffe_id: spiffeIdText.nullable(),
  agent: text(128).nullable(),
  instance: text(64).nullable(),
  lineage: text(64).nullable(),
  issued_at: instantText,
  not_before: instantText,
  not_after: instantText,
  state: z.enum(['intent', 'issued', 'revoked', 'abandoned']),
  revoked_at: instantText.nullable(),
  reason: text(256).nullable(),
})
export type CertificateView = z.output<typeof certificateView>

export const authorityView = z.object({
  id: id('authority'),
  kind: text(32),
  algorithm: text(16),
  kid: text(64),
  /** PEM; null for keys without a certificate. */
  certificate: z.string().max(16_384).nullable(),
  issuer: text(64).nullable(),
  state: z.enum(['prepared', 'published', 'active', 'retiring', 'retired', 'tainted']),
  not_before: instantText,
  not_after: instantText,
  created_at: instantText,
})
export type AuthorityView = z.output<typeof authorityView>

/** One audit leaf: the canonical bytes that its hash covers, as base64. */
export const leafView = z.object({
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  replica: text(128),
  seq: z.int(),
  at: instantText,
  type: text(128),
  actor: text(2048),
  object: text(2048),
  position: z.int().nullable(),
  leaf: z.string().max(65_536),
})
export type LeafView = z.output<typeof leafView>

/** `GET /v1/whoami`. */
export const whoamiAnswer = z.object({
  kind: z.enum(['agent', 'principal', 'local', 'anonymous']),
  name: text(2048),
  agent: text(128).nullable(),
  instance: text(64).nullable(),
  roles: z.array(role),
  trust_domain: text(255),
})
export type WhoamiAnswer = z.output<typeof whoamiAnswer>

export const agentList = listOf(agentView)
export const resourceList = listOf(resourceView)
export const joinTokenList = listOf(joinTokenView)
export const principalList = listOf(principalView)
export const instanceList = listOf(instanceView)
export const certificateList = listOf(certificateView)
export const authorityList = listOf(authorityView)
export const leafList = listOf(leafView)
