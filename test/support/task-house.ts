import type { Caller, Role } from '#authentication/index.ts'
import { callerOf } from '#authentication/caller.ts'
import { CurrentAuthorities } from '#authority/index.ts'
import { ClockGuard } from '#flows/clock-guard.ts'
import { exchangeToken, type ExchangeAnswer, type ExchangePorts } from '#flows/exchange-token.ts'
import type { ExchangeRequest } from '#flows/exchange-request.ts'
import { introspectToken, type Introspection } from '#flows/introspect-token.ts'
import { openTask, type OpenTaskRequest } from '#flows/open-task.ts'
import type { Where } from '#flows/ports.ts'
import { ProofNonces } from '#flows/proof-nonces.ts'
import { StatusIndexes } from '#flows/status-indexes.ts'
import type { Tables } from '#flows/tables.ts'
import { issuanceProfile, type CertificateRecord } from '#issuance/index.ts'
import { jwtSvidClaims, PreparedHeader, signCompact, TaskToken, type TaskTokenClaims } from '#jwt/index.ts'
import { toBase64Url, toHex } from '#kernel/bytes.ts'
import { WritError } from '#kernel/errors.ts'
import { sha256 } from '#kernel/digest.ts'
import { after, DAY, HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { AgentRecord, InstanceRecord, ResourceRecord } from '#registry/index.ts'
import { raiseCutoff, type CutoffKind } from '#revocation/index.ts'
import { SpiffeId, TrustDomain } from '#spiffe/index.ts'
import type { AuthorizationDetail, TaskView } from '#tasks/index.ts'
import { ACCESS_TOKEN_TYPE, JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { FakeClock } from '../fakes/clock.ts'
import { USERS } from '../fakes/users.ts'
import { MemoryStore } from '../fakes/memory-store.ts'
import { FakeRandom } from '../fakes/random.ts'
import { TOKEN_KEYS, tokenAuthorities } from './token-authorities.ts'

export const ISSUER = 'https://id.example.org'
export const BILLING = 'https://mcp.billing.example.org'
export const MAIL = 'https://mcp.mail.example.org'
export const READ: AuthorizationDetail = { type: 'task', resource: BILLING, actions: ['invoices:read'] }
export const AUTHORITY: readonly AuthorizationDetail[] = [
  {
    type: 'task',
    resource: BILLING,
    actions: ['invoices:read', 'invoices:pay'],
    identifiers: ['inv_17', 'inv_18'],
    constraints: { max_amount: 100 },
  },
  { type: 'task', resource: MAIL, actions: ['mail:send'] },
]

const UNLIMITED = { expiresIn: null, deadline: null, maxDepth: null, maxDerivations: null }
/** The whole authority, for as long as the agent may. */
export const OPENING: OpenTaskRequest = { authority: AUTHORITY, ...UNLIMITED, user: null, orchestrated: null }

const SYSTEM_LEAF = {
  actor: 'system',
  object: 'test',
  decision: 'permit',
  inputDigest: null,
  policy: null,
  commitments: {},
} as const

/** One running copy of an agent with its certificate. */
export interface Copy {
  readonly agent: string
  readonly instance: string
  readonly spiffeId: string
  readonly serial: string
  readonly thumbprint: string
}

/** The hash of the key that stands for a certificate's. */
export function spkiHashOf(serial: string): string {
  return toHex(sha256(new TextEncoder().encode(`spki-${serial}`)))
}

/** A small trust domain in memory, with real tokens: one issuer, a billing and a mail server, and agents. */
export class TaskHouse {
  readonly clock = new FakeClock()
  readonly random = new FakeRandom('task-house')
  readonly store: MemoryStore
  readonly keys = TOKEN_KEYS
  readonly ports: ExchangePorts
  #count = 0

  private constructor(store: MemoryStore, clock: FakeClock, ports: ExchangePorts) {
    this.store = store
    this.clock = clock
    this.ports = ports
  }

  static async build(): Promise<TaskHouse> {
    const clock = new FakeClock()
    const random = new FakeRandom('task-house')
    const store = new MemoryStore({ clock, random })
    const trustDomain = TrustDomain.parse('example.org')
    const authorities = tokenAuthorities(trustDomain, clock.now())
    store.seed('Authority', ...authorities.records)
    const ports: ExchangePorts = {
      reader: store,
      journal: store,
      clock,
      random,
      authorities: new CurrentAuthorities(authorities),
      profile: issuanceProfile({ trustDomain, publicUrl: ISSUER, serialPrefix: 1, serverNames: [] }),
      clockGuard: await ClockGuard.load({ clock, marks: store, replica: 'memory' }),
      statusIndexes: new StatusIndexes(store, 8),
      users: USERS,
      nonces: new ProofNonces({ reader: store, firsts: store, random }),
    }
    const house = new TaskHouse(store, clock, ports)
    house.addResource(BILLING, ['invoices:read', 'invoices:pay'], 'spiffe://example.org/agent/billing')
    house.addResource(MAIL, ['mail:send'], 'spiffe://example.org/agent/mail')
    return house
  }

  addResource(audience: string, actions: readonly string[], spiffeId: string): ResourceRecord {
    const row: ResourceRecord = {
      id: `res_${String(++this.#count)}`,
      audience,
      owner: 'team-platform',
      spiffeIds: [spiffeId],
      actions,
      proxies: [],
      url: null,
      state: 'active',
      createdAt: this.clock.now(),
    }
    this.store.seed('Resource', row)
    return row
  }

  /** An agent with one running copy. */
  addAgent(name: string, change: Partial<AgentRecord> = {}): Copy {
    const now = this.clock.now()
    const agent: AgentRecord = {
      id: `agt_${name}`,
      name,
      owner: 'team-billing',
      path: `/agent/${name}`,
      identity: 'instance',
      selectors: [],
      dnsNames: [],
      permissions: [
        { audience: BILLING, actions: ['invoices:read', 'invoices:pay'] },
        { audience: MAIL, actions: ['mail:send'] },
      ],
      keyClasses: ['software'],
      declaredKeyClass: null,
      x509Lifetime: HOUR,
      jwtLifetime: 5 * MINUTE,
      tokenLifetime: 3 * MINUTE,
      maxAttestationAge: DAY,
      renewGrace: 0,
      maxTaskLifetime: DAY,
      maxDepth: 3,
      state: 'active',
      version: 1,
      createdAt: now,
      updatedAt: now,
      ...change,
    }
    this.store.seed('Agent', agent)
    return this.addCopy(agent.id)
  }

  addCopy(agentId: string, change: Partial<InstanceRecord> = {}): Copy {
    const agent = this.store.all('Agent').find((row) => row.id === agentId)
    if (agent === undefined) throw new TypeError(`no such agent: ${agentId}`)
    const number = String(++this.#count)
    const base = `spiffe://example.org${agent.path}`
    const spiffeId = agent.identity === 'agent' ? base : `${base}/i-${number}`
    const now = this.clock.now()
    this.store.seed('Instance', {
      id: `i-${number}`,
      spiffeId,
      agent: agentId,
      node: 'nod_1',
      attestor: 'join_token',
      selectors: ['join_token:x'],
      evidenceDigest: number.padStart(64, '0'),
      evidenceSalt: '',
      keyClass: 'software',
      keyClassSource: 'declared',
      attestedAt: now,
      lineage: `lin_${number}`,
      state: 'active',
      workload: null,
      createdAt: now,
      ...change,
    })
    return this.addCertificate({ agent: agentId, instance: `i-${number}`, spiffeId })
  }

  /** Another certificate for the same copy, as a renewal gives it. */
  addCertificate(copy: Pick<Copy, 'agent' | 'instance' | 'spiffeId'>, change: Partial<CertificateRecord> = {}): Copy {
    const instance = this.store.all('Instance').find((row) => row.id === copy.instance)
    const serial = `01${String(++this.#count).padStart(6, '0')}`
    const now = this.clock.now()
    this.store.seed('Certificate', {
      serial,
      kind: 'svid',
      der: null,
      authority: 'aut_x509',
      spiffeId: copy.spiffeId,
      agent: copy.agent,
      instance: copy.instance,
      lineage: instance?.lineage ?? null,
      renewed: null,
      spkiHash: spkiHashOf(serial),
      tbsHash: '',
      crlShard: 0,
      issuedAt: now,
      notBefore: now,
      notAfter: after(now, HOUR),
      state: 'issued',
      revokedAt: null,
      reason: null,
      idempotencyKey: null,
      ...change,
    })
    const thumbprint = toBase64Url(sha256(new TextEncoder().encode(serial)))
    return { ...copy, serial, thumbprint }
  }

  /** The copy as it is authenticated now. */
  caller(copy: Copy): Caller {
    const agent = this.store.all('Agent').find((row) => row.id === copy.agent)
    const instance = this.store.all('Instance').find((row) => row.id === copy.instance)
    const certificate = this.store.all('Certificate').find((row) => row.serial === copy.serial)
    if (agent === undefined || instance === undefined || certificate === undefined) throw new TypeError('no such copy')
    const { thumbprint } = copy
    const spiffeId = SpiffeId.parse(copy.spiffeId)
    const identity = { kind: 'agent', agent, instance, certificate, spiffeId, thumbprint } as const
    return callerOf(identity, { address: '127.0.0.1', expired: false, method: 'certificate' })
  }

  principal(subject: string, ...roles: readonly Role[]): Caller {
    const createdAt = this.clock.now()
    const lists = { subjects: [], agents: [] }
    const rest = { ...lists, state: 'active', version: 1, createdAt } as const
    const principal = { id: 'prn_1', subject, name: subject, roles, ...rest }
    return callerOf({ kind: 'local', uid: 1000, principal }, { address: 'unix', expired: false, method: 'certificate' })
  }

  anonymous(): Caller {
    return callerOf({ kind: 'anonymous' }, { address: '127.0.0.1', expired: false, method: 'certificate' })
  }

  open(copy: Copy, change: Partial<OpenTaskRequest> = {}): Promise<TaskView> {
    return openTask(this.ports, this.caller(copy), { ...OPENING, ...change })
  }

  /** A JWT-SVID of the copy, addressed to us. */
  svid(copy: Copy, claims: JsonObject = {}): Promise<string> {
    const now = this.clock.now()
    const own = jwtSvidClaims({
      issuer: `${ISSUER}/spiffe`,
      subject: SpiffeId.parse(copy.spiffeId),
      audience: [ISSUER],
      issuedAt: now,
      expiresAt: after(now, 5 * MINUTE),
      id: toHex(this.random.bytes(16)),
    })
    const { signer, kid } = this.keys['jwt-svid']
    return signCompact(new PreparedHeader('jwt-svid', 'ES256', kid), { ...own, ...claims }, signer)
  }

  exchange(copy: Copy, change: Partial<ExchangeRequest>): Promise<ExchangeAnswer> {
    const request = {
      grantType: TOKEN_EXCHANGE_GRANT,
      clientId: copy.spiffeId,
      subjectToken: null,
      subjectTokenType: null,
      actorToken: null,
      actorTokenType: null,
      requestedTokenType: null,
      resources: [BILLING],
      audiences: [],
      scope: null,
      authorizationDetails: null,
      taskId: null,
      dpop: [],
    }
    return exchangeToken(this.ports, this.caller(copy), { ...request, ...change })
  }

  async start(copy: Copy, taskId: string, change: Partial<ExchangeRequest> = {}): Promise<ExchangeAnswer> {
    const subjectToken = change.subjectToken ?? (await this.svid(copy))
    return this.exchange(copy, { taskId, subjectTokenType: JWT_TYPE, ...change, subjectToken })
  }

  narrow(copy: Copy, subjectToken: string, change: Partial<ExchangeRequest> = {}): Promise<ExchangeAnswer> {
    return this.exchange(copy, { subjectToken, subjectTokenType: ACCESS_TOKEN_TYPE, ...change })
  }

  introspect(receiver: Copy, token: string): Promise<Introspection> {
    return introspectToken(this.ports, this.caller(receiver), { token })
  }

  claims(token: string): TaskTokenClaims {
    const keys = this.ports.authorities.current().keySet('access-token')
    return TaskToken.verify(token, { keys, issuer: ISSUER, audience: null, now: this.clock.now() }).claims
  }

  /** What an operator does elsewhere: changes a row, with its version where it has one. */
  async change<Table extends 'Agent' | 'Authority' | 'Instance' | 'Certificate' | 'Resource' | 'TaskToken'>(
    table: Table,
    where: Where<Table>,
    set: Partial<Tables[Table]>,
  ): Promise<void> {
    const refuse = () => new WritError('TEST', 'There is no such row.')
    await this.store.commit({
      lock: 'none',
      guards: [],
      changes: [{ op: 'update', table, where, set, refuse }],
      leaf: { ...SYSTEM_LEAF, type: 'test.changed' },
      events: [],
    })
  }

  async cutOff(kind: CutoffKind, value: string, before = this.clock.now()): Promise<void> {
    const by = { actor: 'system', at: this.clock.now() }
    const refuse = () => new WritError('TEST', 'It is cut off further already.')
    const { guard, change } = raiseCutoff({ kind, value, before, reason: 'test' }, by, refuse)
    const leaf = { ...SYSTEM_LEAF, type: 'test.cut' }
    await this.store.commit({ lock: 'revoke', guards: [guard], changes: [change], leaf, events: [] })
  }

  pass(seconds: number): void {
    this.clock.advance(seconds * SECOND)
  }

  /** Types and decisions of the leaves so far. */
  leaves(): readonly string[] {
    return this.store.leaves.map(({ draft }) => `${draft.type} ${draft.decision}`)
  }
}
