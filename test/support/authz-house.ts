import type { Caller } from '#authentication/index.ts'
import { addResource } from '#flows/admin/resources.ts'
import { authenticate } from '#flows/authenticate.ts'
import type { AskedRequest } from '#flows/authorize/asked-request.ts'
import { authorizeRequest, type AuthorizedRequest, type AuthorizePorts } from '#flows/authorize/authorize-request.ts'
import { ProxiedResources } from '#flows/authorize/proxied-resource.ts'
import { enroll } from '#flows/enroll.ts'
import { exchangeToken, type ExchangePorts } from '#flows/exchange-token.ts'
import { issueJwtSvid } from '#flows/issue-jwt-svid.ts'
import { openTask } from '#flows/open-task.ts'
import { ProofNonces } from '#flows/proof-nonces.ts'
import { StatusIndexes } from '#flows/status-indexes.ts'
import { toBase64, type Bytes } from '#kernel/bytes.ts'
import { WritError } from '#kernel/errors.ts'
import type { ResourceRecord } from '#registry/index.ts'
import type { AuthorizationDetail } from '#tasks/index.ts'
import { createCsr } from '#x509/index.ts'
import { JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { USERS } from '../fakes/users.ts'
import { rawDpop, hashOf } from './dpop.ts'
import { csrOf, joinWith, newAgent, newToken, newWorld, peerWith, type World } from './enrollment.ts'
import { newTestKey, type TestKey } from './keys.ts'
import { newKeyPair } from './x509.ts'

export const SHOP = 'https://shop.example.org'
export const BANK = 'https://bank.example.org'
const ISSUER = 'https://id.example.org'
const ACTIONS = ['read', 'pay']
const UNLIMITED = {
  expiresIn: null,
  deadline: null,
  maxDepth: null,
  maxDerivations: null,
  user: null,
  orchestrated: null,
}

/** One enrolled copy of an agent. */
export interface Member {
  readonly agent: string
  readonly instance: string
  readonly spiffeId: string
  readonly serial: string
  readonly certificate: Bytes
}

/** A token, and the task that it is under. */
export interface Held {
  readonly text: string
  readonly task: string
  readonly jti: string
}

export interface Order extends Partial<Omit<AuthorizationDetail, 'type'>> {
  readonly dpop?: boolean
}

/** A shop and a bank behind proxies of their own, in memory: real certificates, tokens and proofs. */
export class AuthzHouse {
  readonly world: World
  /** How often those of whom nothing is proved were refused, and how. */
  readonly counted: string[] = []
  /** The client's own key of proofs. */
  readonly key = newTestKey()
  readonly ports: ExchangePorts & AuthorizePorts

  private constructor(world: World) {
    this.world = world
    const { store, clock } = world
    this.ports = {
      ...world.ports,
      statusIndexes: new StatusIndexes(store, 8),
      users: USERS,
      nonces: new ProofNonces({ reader: store, firsts: store, random: world.ports.random }),
      proxied: new ProxiedResources({ reader: store, clock }),
      unproven: { count: (code) => void this.counted.push(code) },
    }
  }

  static async open(): Promise<AuthzHouse> {
    const house = new AuthzHouse(await newWorld())
    await house.register(SHOP, ['spiffe://example.org/agent/edge'], SHOP)
    await house.register(BANK, ['spiffe://example.org/agent/vault'])
    const permissions = [SHOP, BANK].map((audience) => ({ audience, actions: ACTIONS }))
    for (const name of ['bot', 'other', 'edge', 'vault']) await newAgent(house.world, { name, permissions })
    return house
  }

  register(audience: string, proxies: readonly string[], url?: string): Promise<ResourceRecord> {
    const { ports, admin } = this.world
    return addResource(ports, admin, { audience, owner: 'shop team', spiffeIds: [], actions: ACTIONS, proxies, url })
  }

  async join(agent: string): Promise<Member> {
    const { enrolling, anonymous } = this.world
    const request = joinWith(await newToken(this.world, agent), await csrOf(newKeyPair()))
    const { instance, svid } = await enroll(enrolling, anonymous, request)
    const { certificate, serial, spiffeId } = svid
    return { agent, instance, spiffeId, serial, certificate }
  }

  /** One that signs its requests. */
  async joinSigning(agent: string) {
    const key = newTestKey()
    const { enrolling, anonymous } = this.world
    const request = { ...joinWith(await newToken(this.world, agent), toBase64(await createCsr(key.signer))), wit: true }
    const { svid } = await enroll(enrolling, anonymous, request)
    return { spiffeId: svid.spiffeId, wit: svid.witSvid ?? '', key }
  }

  /** As a store that was put back to an earlier state. */
  async forget({ jti }: Held): Promise<void> {
    const refuse = () => new WritError('TEST', 'There is no such row.')
    await this.world.store.commit({
      lock: 'none',
      guards: [],
      changes: [{ op: 'delete', table: 'TaskToken', where: { jti }, refuse }],
      leaf: {
        ...{ type: 'test.forgotten', actor: 'system', object: 'test', decision: 'permit' },
        ...{ inputDigest: null, policy: null, commitments: {} },
      },
      events: [],
    })
  }

  caller(member: Member): Promise<Caller> {
    return authenticate(this.ports, peerWith(member.certificate))
  }

  /** A task of the member and the first token under it, bound to its certificate or to the key of proofs. */
  async token(member: Member, order: Order = {}): Promise<Held> {
    const { dpop = false, resource = SHOP, actions = ['read'], ...limits } = order
    const caller = await this.caller(member)
    const task = await openTask(this.ports, caller, {
      ...UNLIMITED,
      authority: [{ type: 'task', resource, actions, ...limits }],
    })
    const now = this.world.clock.now()
    const nonce = await this.ports.nonces.make(now)
    const proof = rawDpop({ method: 'POST', uri: `${ISSUER}/oauth2/token`, now }, { key: this.key, claims: { nonce } })
    const { accessToken } = await exchangeToken(this.ports, caller, {
      ...{ grantType: TOKEN_EXCHANGE_GRANT, clientId: member.spiffeId, subjectTokenType: JWT_TYPE, taskId: task.id },
      subjectToken: (await issueJwtSvid(this.ports, caller, { audience: [ISSUER] })).token,
      ...{ actorToken: null, actorTokenType: null, requestedTokenType: null, scope: null, authorizationDetails: null },
      resources: [resource],
      audiences: [],
      dpop: dpop ? [proof] : [],
    })
    const jti = this.world.store.all('TaskToken').find((row) => row.task === task.id)?.jti ?? ''
    return { text: accessToken, task: task.id, jti }
  }

  /** A proof for `GET /invoices/17`, as the client makes it. */
  proof({ text }: Held, changes: { readonly htu?: string; readonly htm?: string; readonly key?: TestKey } = {}) {
    const { htu = `${SHOP}/invoices/17`, htm = 'GET', key = this.key } = changes
    return rawDpop({ method: htm, uri: htu, now: this.world.clock.now() }, { key, claims: { ath: hashOf(text) } })
  }

  /** What a proxy asks about that has this request before it. */
  async ask(proxy: Member | Caller, request: Partial<AskedRequest>): Promise<AuthorizedRequest> {
    const caller = 'serial' in proxy ? await this.caller(proxy) : proxy
    return authorizeRequest(this.ports, caller, {
      ...{ method: 'GET', path: '/invoices/17', authorization: [], dpop: [], certificate: null },
      ...{ actions: [], identifiers: [], address: '192.0.2.7' },
      ...request,
    })
  }
}
