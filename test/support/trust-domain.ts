import type { CurrentAuthorities } from '#authority/index.ts'
import { ClockGuard } from '#flows/clock-guard.ts'
import { initializeAuthorities, type InitializeAuthoritiesOptions } from '#flows/initialize-authorities.ts'
import type { AuthenticatePorts } from '#flows/authenticate.ts'
import type { AuthorityPorts } from '#flows/issuance-ports.ts'
import type { IssueX509SvidOrder } from '#flows/issue-x509-svid.ts'
import { issuanceProfile, type IssuanceProfileFields } from '#issuance/index.ts'
import { DAY, HOUR, MINUTE, type Instant } from '#kernel/instant.ts'
import { permitIssuance } from '#policy/index.ts'
import { reregister, type AgentRecord, type InstanceRecord } from '#registry/index.ts'
import { SpiffeId, TrustDomain } from '#spiffe/index.ts'
import { createCsr, parseCsr } from '#x509/index.ts'
import { FakeClock } from '../fakes/clock.ts'
import { MemoryKeys } from '../fakes/keys.ts'
import { MemoryStore } from '../fakes/memory-store.ts'
import { FakeRandom } from '../fakes/random.ts'
import { newKeyPair, type KeyPair } from './x509.ts'

export const TRUST_DOMAIN = TrustDomain.parse('example.org')

/** A trust domain in memory: fakes for time, store and keys, real cryptography. */
export interface TestTrustDomain {
  readonly clock: FakeClock
  readonly store: MemoryStore
  readonly keys: MemoryKeys
  readonly ports: AuthorityPorts & AuthenticatePorts
  readonly authorities: CurrentAuthorities
}

export interface TestTrustDomainOptions {
  readonly options?: InitializeAuthoritiesOptions
  readonly profile?: Partial<IssuanceProfileFields>
  readonly now?: Instant
}

/** The same without authorities. */
export async function emptyTrustDomain(
  profile: Partial<IssuanceProfileFields> = {},
  now?: Instant,
): Promise<
  Omit<TestTrustDomain, 'ports' | 'authorities'> & { ports: Omit<AuthorityPorts & AuthenticatePorts, 'authorities'> }
> {
  const clock = new FakeClock(now)
  const random = new FakeRandom()
  const store = new MemoryStore({ clock })
  const keys = new MemoryKeys()
  const clockGuard = await ClockGuard.load({ clock, marks: store, replica: 'memory' })
  const ports = {
    reader: store,
    journal: store,
    firsts: store,
    clock,
    random,
    keys,
    clockGuard,
    profile: issuanceProfile({
      trustDomain: TRUST_DOMAIN,
      serialPrefix: 1,
      publicUrl: 'https://id.example.org',
      serverNames: ['id.example.org', 'localhost'],
      ...profile,
    }),
  }
  return { clock, store, keys, ports }
}

export async function newTrustDomain(options: TestTrustDomainOptions = {}): Promise<TestTrustDomain> {
  const empty = await emptyTrustDomain(options.profile, options.now)
  const order = { actor: 'local:0', options: options.options ?? { mode: 'self-rooted' as const } }
  const authorities = await initializeAuthorities(empty.ports, order)
  return { ...empty, authorities, ports: { ...empty.ports, authorities } }
}

export function agentRecord(now: Instant, changes: Partial<AgentRecord> = {}): AgentRecord {
  return {
    id: 'agt_00000000000000000000000001',
    name: 'invoice-bot',
    owner: 'team-billing',
    path: '/agent/invoice-bot',
    identity: 'instance',
    selectors: [],
    dnsNames: ['invoice-bot.internal'],
    permissions: [{ audience: 'https://mcp.billing.example.org', actions: ['invoices:read'] }],
    keyClasses: ['software', 'tpm'],
    declaredKeyClass: null,
    x509Lifetime: HOUR,
    jwtLifetime: 5 * MINUTE,
    tokenLifetime: 3 * MINUTE,
    maxAttestationAge: 365 * DAY,
    renewGrace: DAY,
    maxTaskLifetime: DAY,
    maxDepth: 3,
    state: 'active',
    version: 1,
    createdAt: now,
    updatedAt: now,
    ...changes,
  }
}

export function instanceRecord(agent: AgentRecord, changes: Partial<InstanceRecord> = {}): InstanceRecord {
  const id = changes.id ?? 'i-0000000000000000'
  const suffix = agent.identity === 'instance' ? `/${id}` : ''
  return {
    id,
    spiffeId: `spiffe://${TRUST_DOMAIN.name}${agent.path}${suffix}`,
    agent: agent.id,
    node: null,
    attestor: 'join_token',
    selectors: [],
    evidenceDigest: '5a'.repeat(32),
    evidenceSalt: '00'.repeat(16),
    keyClass: 'software',
    keyClassSource: 'declared',
    attestedAt: agent.createdAt,
    lineage: 'lin_00000000000000000000000001',
    state: 'active',
    workload: null,
    createdAt: agent.createdAt,
    ...changes,
  }
}

export interface SvidOrderOptions {
  readonly agent?: Partial<AgentRecord>
  readonly instance?: Partial<InstanceRecord>
  readonly key?: KeyPair
  readonly order?: Partial<IssueX509SvidOrder>
  /** SPIFFE ID that the request asks for. */
  readonly requested?: string
}

/** An order for an SVID of an agent and an instance that are in the store then. */
export async function svidOrder(domain: TestTrustDomain, options: SvidOrderOptions = {}): Promise<IssueX509SvidOrder> {
  const now = domain.clock.now()
  const agent = agentRecord(now, options.agent)
  const instance = instanceRecord(agent, options.instance)
  if ((await domain.store.find('Agent', { id: agent.id })) === null) domain.store.seed('Agent', agent)
  if ((await domain.store.find('Instance', { id: instance.id })) === null) domain.store.seed('Instance', instance)
  const registration = reregister(instance, agent, now)
  const key = options.key ?? newKeyPair()
  const csr = await createCsr(
    key.signer,
    options.requested === undefined ? undefined : SpiffeId.parse(options.requested),
  )
  return {
    caller: 'anonymous',
    registration,
    grant: permitIssuance(registration, { at: now, keyClass: instance.keyClass }),
    request: parseCsr(csr),
    instance,
    renewed: null,
    idempotencyKey: `key-${instance.id}`,
    guards: [],
    changes: [],
    wit: false,
    ...options.order,
  }
}
