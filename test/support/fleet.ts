import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { TLSSocket } from 'node:tls'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import {
  enroll,
  keepServerFresh,
  LiveIdentity,
  liveTlsOptions,
  trustOfJoinToken,
  type Identity,
  type LiveOptions,
  type TaskToken,
} from '#client/index.ts'
import { SECOND } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import { createReceiver, RefreshingTrust, requireTask } from '#receiver/index.ts'
import { parseJoinToken } from '#wire/index.ts'
import { BILLING, type TestHouse } from './server.ts'

const clock = new SystemClock()
const random = new SystemRandom()

export async function newIdentity(house: TestHouse, agent = 'bot'): Promise<Identity> {
  const text = await house.joinToken(agent)
  return enroll({
    server: `https://localhost:${String(house.port)}`,
    trust: trustOfJoinToken(parseJoinToken(text)),
    evidence: { attestor: 'join_token', token: new Secret(text) },
    clock,
  })
}

/** One that looks every half second, so that a rotation takes seconds; it talks to every member of the domain. */
export async function newLive(house: TestHouse, options: Partial<LiveOptions> = {}): Promise<LiveIdentity> {
  const identity = await newIdentity(house)
  return new LiveIdentity(identity, { clock, random, accepts: () => true, looksAtLeastEvery: SECOND / 2, ...options })
}

/** Agents that call their server, and a service that verifies their tokens and serves with a fresh certificate. */
export class Fleet {
  readonly agents: readonly LiveIdentity[]
  readonly failures: unknown[] = []
  calls = 0
  readonly #service: Service
  #isRunning = true
  readonly #running: Promise<unknown>

  private constructor(agents: readonly LiveIdentity[], service: Service, lanes: number) {
    this.agents = agents
    this.#service = service
    const work = agents.flatMap((agent) => Array.from({ length: lanes }, () => this.#work(agent)))
    this.#running = Promise.all(work)
  }

  /** `lanes` calls are under way for each agent at any moment. */
  static async start(house: TestHouse, { size, lanes }: { size: number; lanes: number }): Promise<Fleet> {
    const service = await Service.start(house)
    const agents = await Promise.all(Array.from({ length: size }, () => newLive(house)))
    return new Fleet(agents, service, lanes)
  }

  get service(): LiveIdentity {
    return this.#service.live
  }

  get everybody(): readonly LiveIdentity[] {
    return [...this.agents, this.#service.live]
  }

  async stop(): Promise<void> {
    this.#isRunning = false
    await this.#running
    await Promise.all(this.agents.map((agent) => agent.close()))
    await this.#service.stop()
  }

  async #work(agent: LiveIdentity): Promise<void> {
    while (this.#isRunning) {
      try {
        const token = await newToken(agent)
        const answer = await agent.fetch(this.#service.url, token)
        const text = await answer.text()
        if (answer.status !== 200) this.failures.push(new TypeError(`${String(answer.status)} ${text}`))
      } catch (error) {
        this.failures.push(error)
      }
      this.calls += 1
    }
  }
}

async function newToken(live: LiveIdentity): Promise<TaskToken> {
  const task = await live.session.openTask({ authority: [{ type: 'task', resource: BILLING, actions: ['read'] }] })
  return live.exchange({ task: task.id, resource: BILLING })
}

class Service {
  readonly live: LiveIdentity
  readonly url: string
  readonly #server: Server
  readonly #trust: RefreshingTrust
  readonly #stopKeeping: () => void

  private constructor(live: LiveIdentity, server: Server, trust: RefreshingTrust) {
    this.live = live
    this.#server = server
    this.#trust = trust
    this.url = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}/`
    this.#stopKeeping = keepServerFresh(server, live)
  }

  static async start(house: TestHouse): Promise<Service> {
    const live = await newLive(house)
    const trust = new RefreshingTrust({
      trustDomain: live.identity.spiffeId.trustDomain,
      fetchBundle: () => live.session.fetchBundle(),
      fetchJwks: () => live.session.fetchJwks(),
      clock,
      maxStaleness: 60 * SECOND,
    })
    await trust.start()
    const receiver = createReceiver({
      audience: BILLING,
      issuer: 'https://id.example.org',
      trust,
      allow: ['spiffe://example.org/agent/bot'],
      clock,
    })
    const read = requireTask(receiver, { actions: ['read'] })
    const server = createServer(liveTlsOptions(live), (request, response) => {
      // As a service does that verifies no tokens: who is it, by the certificate alone.
      const { socket } = request
      if (!(socket instanceof TLSSocket)) return
      live.peerOf(socket).then(
        () => void read(request, response, () => response.end('read')),
        () => response.writeHead(403).end('peer'),
      )
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    // It has to know what is published before that is used.
    const every = setInterval(() => void trust.refresh().catch(() => undefined), SECOND / 2)
    server.once('close', () => {
      clearInterval(every)
    })
    return new Service(live, server, trust)
  }

  async stop(): Promise<void> {
    this.#stopKeeping()
    this.#trust.close()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    await this.live.close()
  }
}
