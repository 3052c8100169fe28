import { createServer, type Server } from 'node:https'
import { bundleOf, keepServerFresh, liveTlsOptions, type LiveIdentity } from '#client/index.ts'
import { SECOND } from '#kernel/instant.ts'
import {
  closeRevoked,
  createReceiver,
  LiveView,
  receiverTlsOptions,
  RefreshingTrust,
  requireTask,
} from '#receiver/index.ts'
import { clock, close, listen, newcomer, type Arrival } from './agent.ts'
import { AGENT_ID, AUDIENCE, ISSUER } from './server.ts'

/** A service that takes task tokens, as docs/receivers.md has it: it goes by the feed, and by nothing else. */
export class SoakService {
  readonly url: string
  readonly live: LiveIdentity
  readonly #server: Server
  readonly #trust: RefreshingTrust
  readonly #stop: () => void

  private constructor(live: LiveIdentity, server: Server, url: string, trust: RefreshingTrust, stop: () => void) {
    this.live = live
    this.url = url
    this.#server = server
    this.#trust = trust
    this.#stop = stop
  }

  /** `onFailure` is told when the feed breaks off. */
  static async start(arrival: Arrival, onFailure: (error: unknown) => void): Promise<SoakService> {
    const live = await newcomer(arrival)
    const trust = new RefreshingTrust({
      trustDomain: live.identity.spiffeId.trustDomain,
      fetchBundle: () => live.session.fetchBundle(),
      fetchJwks: () => live.session.fetchJwks(),
      clock,
      maxStaleness: 60 * SECOND,
    })
    const view = new LiveView({ openFeed: (request) => live.session.openFeed(request), clock, trust, onFailure })
    await Promise.all([trust.start(), view.start()])
    const receiver = createReceiver({
      audience: AUDIENCE,
      issuer: ISSUER,
      trust,
      allow: [AGENT_ID],
      clock,
      revocation: { feed: view, maxAge: 30 * SECOND },
    })
    const task = requireTask(receiver, { actions: ['read'] })
    const server = createServer({ ...receiverTlsOptions(), ...liveTlsOptions(live) }, (incoming, response) => {
      void task(incoming, response, () => response.end('done'))
    })
    const stopClosing = closeRevoked(server, { receiver, feed: view })
    const stopFresh = keepServerFresh(server, live)
    return new SoakService(live, server, await listen(server), trust, () => {
      stopClosing()
      stopFresh()
      view.close()
      trust.close()
    })
  }

  /** Of the bundle and the keys that it verifies with. */
  get sequence(): bigint {
    return this.#trust.current().bundle.sequence ?? 0n
  }

  /** Of the bundle that it follows as a client. */
  get heldSequence(): bigint {
    return bundleOf(this.live.identity).sequence ?? 0n
  }

  async stop(): Promise<void> {
    this.#stop()
    await close(this.#server)
    await this.live.close()
  }
}
