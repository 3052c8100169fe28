import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import {
  certificatesOf,
  enroll,
  LiveIdentity,
  trustOfJoinToken,
  type FeedRequest,
  type Identity,
  type TaskToken,
} from '#client/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { MINUTE } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import { createReceiver, LiveView, RefreshingTrust, type Receiver } from '#receiver/index.ts'
import { parseJoinToken } from '#wire/index.ts'

const clock = new SystemClock()
const random = new SystemRandom()

/** Where a server is, and what it is called there. */
export interface Home {
  /** `https://localhost:8443` */
  readonly origin: string
  readonly issuer: string
  joinToken(agent: string): Promise<string>
}

export async function enrollAt(home: Home, agent: string): Promise<LiveIdentity> {
  const text = await home.joinToken(agent)
  const identity: Identity = await enroll({
    server: home.origin,
    trust: trustOfJoinToken(parseJoinToken(text)),
    evidence: { attestor: 'join_token', token: new Secret(text) },
    clock,
  })
  return new LiveIdentity(identity, { clock, random })
}

/** A caller with a token for one audience. */
export class Caller {
  readonly live: LiveIdentity
  readonly task: string
  readonly token: TaskToken

  private constructor(live: LiveIdentity, task: string, token: TaskToken) {
    this.live = live
    this.task = task
    this.token = token
  }

  static async enroll(home: Home, agent: string, audience: string): Promise<Caller> {
    return Caller.of(await enrollAt(home, agent), audience)
  }

  static async of(live: LiveIdentity, audience: string): Promise<Caller> {
    const authority = [{ type: 'task' as const, resource: audience, actions: ['read'] }]
    const { id } = await live.session.openTask({ authority })
    return new Caller(live, id, await live.exchange({ task: id, resource: audience }))
  }

  get chain(): readonly Bytes[] {
    return certificatesOf(this.live.identity.chainPem).map(({ der }) => der)
  }
}

/** A service that goes by the feed, as docs/receivers.md has it. */
export class LiveReceiver {
  readonly live: LiveIdentity
  readonly view: LiveView
  readonly trust: RefreshingTrust
  /** What each connection to the feed asked for. */
  readonly asked: (string | undefined)[] = []
  readonly failures: string[] = []
  readonly #receiver: Receiver
  #isAway = false

  constructor(live: LiveIdentity, { audience, issuer }: { readonly audience: string; readonly issuer: string }) {
    this.live = live
    const onFailure = (error: unknown): void => {
      this.failures.push(isWritError(error) ? error.code : String(error))
    }
    this.trust = new RefreshingTrust({
      trustDomain: live.identity.spiffeId.trustDomain,
      fetchBundle: () => live.session.fetchBundle(),
      fetchJwks: () => live.session.fetchJwks(),
      clock,
      onFailure,
    })
    this.view = new LiveView({ openFeed: (request) => this.#open(request), clock, trust: this.trust, onFailure })
    const { name } = live.identity.spiffeId.trustDomain
    this.#receiver = createReceiver({
      audience,
      issuer,
      trust: this.trust,
      allow: [`spiffe://${name}/agent/bot`],
      clock,
      revocation: { feed: this.view, maxAge: MINUTE },
    })
  }

  async start(): Promise<this> {
    await Promise.all([this.trust.start(), this.view.start()])
    return this
  }

  /** While it is away it opens no connection; `close` of the view ends the one that there is. */
  leave(): void {
    this.#isAway = true
    this.view.close()
  }

  async comeBack(): Promise<void> {
    this.#isAway = false
    await this.view.start()
  }

  async close(): Promise<void> {
    this.view.close()
    this.trust.close()
    await this.live.close()
  }

  /** What it says of the certificate alone: `ACCEPTED`, or the code and what took it back. */
  ofCertificate({ chain }: Pick<Caller, 'chain'>): string {
    try {
      this.#receiver.verifyCertificate(chain)
      return 'ACCEPTED'
    } catch (error) {
      return saying(error)
    }
  }

  /** The same of the token. */
  async ofToken({ token, chain }: Pick<Caller, 'chain' | 'token'>): Promise<string> {
    const [peerCertificate] = chain
    if (peerCertificate === undefined) throw new TypeError('no certificate')
    try {
      await this.#receiver.verifyTaskToken(token.token.reveal(), { peerCertificate })
      return 'ACCEPTED'
    } catch (error) {
      return saying(error)
    }
  }

  async #open(request: FeedRequest): ReturnType<LiveIdentity['openFeed']> {
    if (this.#isAway) throw new TypeError('away')
    this.asked.push(request.lastEventId)
    return this.live.openFeed(request)
  }
}

function saying(error: unknown): string {
  if (!isWritError(error)) throw error
  const by = error.details['by'] ?? error.details['reason']
  return by === undefined ? error.code : `${error.code} ${String(by)}`
}
