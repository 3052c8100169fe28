import { instant } from '#kernel/instant.ts'
import { AGENT_LIMITS, type AgentRecord, type InstanceRecord, type ResourceRecord } from '#registry/index.ts'

const EPOCH = instant(0)

export function agentRecord(changes: Partial<AgentRecord> = {}): AgentRecord {
  const name = changes.name ?? 'invoice-bot'
  return {
    id: `agt_${name}`,
    name,
    owner: 'billing team',
    path: `/agent/${name}`,
    identity: 'instance',
    selectors: [],
    dnsNames: [],
    permissions: [],
    keyClasses: ['software', 'hsm', 'tpm'],
    declaredKeyClass: null,
    x509Lifetime: AGENT_LIMITS.x509Lifetime.usual,
    jwtLifetime: AGENT_LIMITS.jwtLifetime.usual,
    tokenLifetime: AGENT_LIMITS.tokenLifetime.usual,
    maxAttestationAge: AGENT_LIMITS.maxAttestationAge.usual,
    renewGrace: AGENT_LIMITS.renewGrace.usual,
    maxTaskLifetime: AGENT_LIMITS.maxTaskLifetime.usual,
    maxDepth: AGENT_LIMITS.maxDepth.usual,
    state: 'active',
    version: 1,
    createdAt: EPOCH,
    updatedAt: EPOCH,
    ...changes,
  }
}

export function instanceRecord(agent: AgentRecord, changes: Partial<InstanceRecord> = {}): InstanceRecord {
  const id = 'i-0123456789abcdef'
  return {
    id,
    spiffeId: `spiffe://example.org${agent.path}${agent.identity === 'instance' ? `/${id}` : ''}`,
    agent: agent.id,
    node: null,
    attestor: 'join_token',
    selectors: [],
    evidenceDigest: '00'.repeat(32),
    evidenceSalt: '00'.repeat(16),
    keyClass: 'software',
    keyClassSource: 'declared',
    attestedAt: EPOCH,
    lineage: 'lin_1',
    state: 'active',
    workload: null,
    createdAt: EPOCH,
    ...changes,
  }
}

export function resourceRecord(changes: Partial<ResourceRecord> = {}): ResourceRecord {
  return {
    id: 'res_1',
    audience: 'https://mcp.billing.example.org',
    owner: 'billing team',
    spiffeIds: [],
    actions: ['invoices:read', 'invoices:write'],
    proxies: [],
    url: null,
    state: 'active',
    createdAt: EPOCH,
    ...changes,
  }
}
