import type { JoinTokenRecord } from '#attestation/index.ts'
import type { LogLeafRecord } from '#audit/index.ts'
import type { PrincipalRecord } from '#authentication/index.ts'
import type { AuthorityRecord } from '#authority/index.ts'
import type { AgentExplanation } from '#flows/admin/explain-agent.ts'
import type { NewJoinToken } from '#flows/admin/join-tokens.ts'
import type { Page } from '#flows/pages.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import { toBase64 } from '#kernel/bytes.ts'
import { SECOND, toRfc3339, type Instant } from '#kernel/instant.ts'
import type { AgentRecord, InstanceRecord, ResourceRecord } from '#registry/index.ts'
import { toPem } from '#x509/index.ts'
import type {
  AgentExplanationView,
  AgentView,
  AuthorityView,
  CertificateView,
  InstanceView,
  JoinTokenCreated,
  JoinTokenView,
  LeafView,
  PrincipalView,
  ResourceView,
} from '#wire/index.ts'

/** A page as every list answers it. */
export function pageOf<Item>(view: (item: Item) => object): (page: Page<Item>) => { readonly body: object } {
  return ({ items, next }) => ({ body: { items: items.map(view), next } })
}

/** One thing as its route answers it. */
export function bodyOf<Item, View extends object>(view: (item: Item) => View): (item: Item) => { readonly body: View } {
  return (item) => ({ body: view(item) })
}

function moment(value: Instant | null): string | null {
  return value === null ? null : toRfc3339(value)
}

export function agentView(agent: AgentRecord): AgentView {
  return {
    id: agent.id,
    name: agent.name,
    owner: agent.owner,
    path: agent.path,
    identity: agent.identity,
    selectors: [...agent.selectors],
    dns_names: [...agent.dnsNames],
    permissions: agent.permissions.map(({ audience, actions }) => ({ audience, actions: [...actions] })),
    key_classes: [...agent.keyClasses],
    declared_key_class: agent.declaredKeyClass,
    x509_lifetime: agent.x509Lifetime / SECOND,
    jwt_lifetime: agent.jwtLifetime / SECOND,
    token_lifetime: agent.tokenLifetime / SECOND,
    max_attestation_age: agent.maxAttestationAge / SECOND,
    renew_grace: agent.renewGrace / SECOND,
    max_task_lifetime: agent.maxTaskLifetime / SECOND,
    max_depth: agent.maxDepth,
    state: agent.state,
    version: agent.version,
    created_at: toRfc3339(agent.createdAt),
    updated_at: toRfc3339(agent.updatedAt),
  }
}

export function resourceView(resource: ResourceRecord): ResourceView {
  return {
    id: resource.id,
    audience: resource.audience,
    owner: resource.owner,
    spiffe_ids: [...resource.spiffeIds],
    actions: [...resource.actions],
    proxies: [...resource.proxies],
    url: resource.url,
    state: resource.state,
    created_at: toRfc3339(resource.createdAt),
  }
}

export function joinTokenCreated({ record, agent, token }: NewJoinToken): JoinTokenCreated {
  return { id: record.id, token: token.reveal(), agent: agent.name, expires_at: toRfc3339(record.expiresAt) }
}

export function joinTokenView(token: JoinTokenRecord): JoinTokenView {
  return {
    id: token.id,
    agent: token.agent,
    created_by: token.createdBy,
    created_at: toRfc3339(token.createdAt),
    expires_at: toRfc3339(token.expiresAt),
    redeemed_at: moment(token.redeemedAt),
    instance: token.instance,
  }
}

export function principalView(principal: PrincipalRecord): PrincipalView {
  const { id, subject, name, roles, subjects, agents, state } = principal
  const lists = { roles: [...roles], subjects: [...subjects], agents: [...agents] }
  return { id, subject, name, ...lists, state, created_at: toRfc3339(principal.createdAt) }
}

export function instanceView(instance: InstanceRecord): InstanceView {
  return {
    id: instance.id,
    spiffe_id: instance.spiffeId,
    agent: instance.agent,
    node: instance.node,
    attestor: instance.attestor,
    selectors: [...instance.selectors],
    key_class: instance.keyClass,
    key_class_source: instance.keyClassSource,
    attested_at: toRfc3339(instance.attestedAt),
    lineage: instance.lineage,
    state: instance.state,
    created_at: toRfc3339(instance.createdAt),
  }
}

export function certificateView(certificate: CertificateRecord): CertificateView {
  return {
    serial: certificate.serial,
    kind: certificate.kind,
    authority: certificate.authority,
    spiffe_id: certificate.spiffeId,
    agent: certificate.agent,
    instance: certificate.instance,
    lineage: certificate.lineage,
    issued_at: toRfc3339(certificate.issuedAt),
    not_before: toRfc3339(certificate.notBefore),
    not_after: toRfc3339(certificate.notAfter),
    state: certificate.state,
    revoked_at: moment(certificate.revokedAt),
    reason: certificate.reason,
  }
}

export function authorityView(authority: AuthorityRecord): AuthorityView {
  return {
    id: authority.id,
    kind: authority.kind,
    algorithm: authority.algorithm,
    kid: authority.kid,
    certificate: authority.certificate === null ? null : toPem('CERTIFICATE', authority.certificate),
    issuer: authority.issuer,
    state: authority.state,
    not_before: toRfc3339(authority.notBefore),
    not_after: toRfc3339(authority.notAfter),
    created_at: toRfc3339(authority.createdAt),
  }
}

export function leafView(leaf: LogLeafRecord): LeafView {
  const { hash, replica, seq, type, actor, object, position } = leaf
  return { hash, replica, seq, at: toRfc3339(leaf.at), type, actor, object, position, leaf: toBase64(leaf.bytes) }
}

export function explanationView({ attestor, selectors, agents }: AgentExplanation): AgentExplanationView {
  return {
    attestor,
    selectors: [...selectors],
    agents: agents.map(({ agent, name, matches, reasons }) => ({ id: agent, name, matches, reasons: [...reasons] })),
  }
}
