import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { request, type Agent } from 'undici'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import {
  anchorsOf,
  credentialOf,
  enroll,
  keepServerFresh,
  LiveIdentity,
  liveTlsOptions,
  trustOfJoinToken,
  verifiedAgent,
  type Identity,
  type TaskToken,
} from '#client/index.ts'
import { SECOND } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import { createReceiver, RefreshingTrust, requireTask } from '#receiver/index.ts'
import { parseJoinToken } from '#wire/index.ts'
import { AGENT, AUDIENCE, ISSUER, TRUST_DOMAIN, type SoakServer } from './server.ts'

const clock = new SystemClock()
const random = new SystemRandom()

/** As a bundle with a short hint would have it. */
const LOOKS_EVERY = 2 * SECOND
const SERVICE_ID = `spiffe://${TRUST_DOMAIN}/agent/${AGENT}`
const isMember = (id: string): boolean => id.startsWith(`${SERVICE_ID}/`)

/** An agent that calls others, and is called: by whoever is of its trust domain at `/peer`, for a task at `/task`. */
export class SoakAgent {
  readonly live: LiveIdentity
  readonly url: string
  readonly #server: Server
  readonly #trust: RefreshingTrust
  readonly #timer: NodeJS.Timeout

  private constructor(live: LiveIdentity, server: Server, trust: RefreshingTrust) {
    this.live = live
    this.url = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`
    this.#server = server
    this.#trust = trust
    this.#timer = setInterval(() => void trust.refresh().catch(() => undefined), LOOKS_EVERY)
    keepServerFresh(server, live)
  }

  static async start(server: SoakServer): Promise<SoakAgent> {
    const text = await server.joinToken()
    const identity = await enroll({
      server: server.origin,
      trust: trustOfJoinToken(parseJoinToken(text)),
      evidence: { attestor: 'join_token', token: new Secret(text) },
      clock,
    })
    const live = new LiveIdentity(identity, { clock, random, accepts: isMember, looksAtLeastEvery: LOOKS_EVERY })
    const trust = new RefreshingTrust({
      trustDomain: identity.spiffeId.trustDomain,
      fetchBundle: () => live.session.fetchBundle(),
      fetchJwks: () => live.session.fetchJwks(),
      clock,
      maxStaleness: 60 * SECOND,
    })
    await trust.start()
    const listening = createServer(liveTlsOptions(live), handlerOf(live, trust))
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
    return new SoakAgent(live, listening, trust)
  }

  /** Connections of their own, with the certificate of now, that trust whom this agent trusts at that moment. */
  connect(identity: Identity = this.live.identity): Agent {
    return verifiedAgent({
      trust: () => ({ kind: 'anchors', anchors: anchorsOf(this.live.identity) }),
      expectation: () => ({ kind: 'spiffe-id', accepts: isMember }),
      trustAgain: () => this.live.refreshTrust(),
      ...credentialOf(identity),
      clock,
    })
  }

  async newToken(): Promise<{ readonly task: string; readonly token: TaskToken }> {
    const authority = [{ type: 'task' as const, resource: AUDIENCE, actions: ['read'] }]
    const task = await this.live.session.openTask({ authority })
    return { task: task.id, token: await this.live.exchange({ task: task.id, resource: AUDIENCE }) }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#trust.close()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    await this.live.close()
  }
}

/** One call to `/peer` over a connection of `connect`; answers the status. */
export async function callPeer(over: Agent, url: string): Promise<number> {
  const { statusCode, body } = await request(`${url}/peer`, { dispatcher: over })
  await body.dump()
  return statusCode
}

type Handler = (incoming: IncomingMessage, response: ServerResponse) => void

function handlerOf(live: LiveIdentity, trust: RefreshingTrust): Handler {
  const receiver = createReceiver({ audience: AUDIENCE, issuer: ISSUER, trust, allow: [SERVICE_ID], clock })
  const task = requireTask(receiver, { actions: ['read'] })
  return (incoming, response) => {
    if (incoming.url === '/task') {
      void task(incoming, response, () => response.end('done'))
      return
    }
    const { socket } = incoming
    if (!(socket instanceof TLSSocket)) return
    live.peerOf(socket).then(
      (id) => response.end(id.toString()),
      () => response.writeHead(403).end(),
    )
  }
}
