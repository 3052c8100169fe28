import type { Agent } from 'undici'
import type { Instant } from '#kernel/instant.ts'
import { credentialOf, verifiedAgent } from './connect.ts'
import type { HeldBundle } from './held-bundle.ts'
import type { Identity } from './identity.ts'
import { Session, type Home } from './session.ts'
import { serverExpectation, type PeerExpectation } from './server-trust.ts'
import type { Means } from './signed-calls.ts'

export interface GenerationOptions {
  readonly means: Means
  readonly held: HeldBundle
  /** Of the bundle that the server is told is in use. */
  readonly reported: () => bigint | undefined
  readonly expectation: (hostname: string) => PeerExpectation
  /** As in `ConnectionPolicy`. */
  readonly trustAgain: () => Promise<void>
}

interface Agents {
  /** To our own server. */
  readonly home: Agent
  /** To services, which must prove a name of our own trust domain. */
  readonly outward: Agent
}

/** One certificate in use: its connections, and until when a token bound to it may still be presented. */
export class Generation implements Home {
  readonly identity: Identity
  readonly session: Session
  boundUntil: Instant
  readonly #options: GenerationOptions
  #agents: Agents

  /** @throws KEY_IN_HARDWARE as `Session` */
  constructor(identity: Identity, options: GenerationOptions) {
    this.identity = identity
    this.#options = options
    this.#agents = this.#connect()
    this.session = new Session(identity, this, options.means)
    this.boundUntil = options.means.clock.now()
  }

  get dispatcher(): Agent {
    return this.#agents.home
  }

  get outward(): Agent {
    return this.#agents.outward
  }

  get sequence(): bigint | undefined {
    return this.#options.reported()
  }

  /** From now on calls use new connections; the old ones are for the caller to close, once calls under way have ended. */
  reconnect(): readonly Agent[] {
    const { home, outward } = this.#agents
    this.#agents = this.#connect()
    return [home, outward]
  }

  /** Lets calls under way end. */
  async close(): Promise<void> {
    await Promise.all([this.#agents.home.close(), this.#agents.outward.close()])
  }

  #connect(): Agents {
    const { means, held, expectation, trustAgain } = this.#options
    const trust = () => held.trust
    const shared = { trust, trustAgain, ...credentialOf(this.identity), clock: means.clock }
    return {
      home: verifiedAgent({ ...shared, expectation: serverExpectation }),
      outward: verifiedAgent({ ...shared, expectation }),
    }
  }
}
