import type { TLSSocket } from 'node:tls'
import type { Agent } from 'undici'
import type { Bytes } from '#kernel/bytes.ts'
import type { Clock } from '#kernel/clock.ts'
import { isWritError } from '#kernel/errors.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import type { SpiffeId, TrustDomain } from '#spiffe/index.ts'
import { buildPath, presentedChain, verifyX509Svid, type AnchorsOf } from '#x509/index.ts'
import { callApi, type ApiCall } from './api-call.ts'
import { verifiedAgent } from './connect.ts'
import { clientError } from './errors.ts'
import { HeldBundle, type BundleChange } from './held-bundle.ts'
import type { Identity } from './identity.ts'
import { Lookout } from './lookout.ts'
import { askForAdvice, fetchBundle, type RenewalAdvice } from './public-documents.ts'
import { certificatesOf, serverExpectation } from './server-trust.ts'
import type { Session } from './session.ts'

export interface FollowedTrustOptions {
  readonly clock: Clock
  /** As in `LookoutOptions`. */
  readonly spread: number
  readonly atLeastEvery: Milliseconds | undefined
  readonly session: () => Session
  /** A newer bundle is in use. */
  readonly changed: (change: BundleChange) => void
  readonly advised: (advice: RenewalAdvice) => void
}

/** How long whoever has just got a connection may take to use it. */
const CLOSE_AFTER: Milliseconds = 5 * SECOND

/**
 * The bundle in use, and what the server says about renewal, both looked at by their hints. They are asked for as the
 * instance, so that the server knows which bundle it holds; and without a certificate when the server refuses ours,
 * since both are for everybody.
 */
export class FollowedTrust {
  readonly held: HeldBundle
  readonly #options: FollowedTrustOptions
  readonly #server: string
  readonly #trustDomain: TrustDomain
  /** Shows no certificate, and asks nobody for more trust than there is. */
  readonly #plain: Agent
  readonly #lookout: Lookout
  readonly #closing = new Map<NodeJS.Timeout, readonly Agent[]>()
  #closed = false

  constructor(identity: Identity, options: FollowedTrustOptions) {
    const { clock, spread } = options
    this.#options = options
    this.#server = identity.server
    this.#trustDomain = identity.spiffeId.trustDomain
    this.held = new HeldBundle(this.#trustDomain, identity.bundleJson)
    this.#plain = verifiedAgent({ trust: () => this.held.trust, expectation: serverExpectation, clock })
    this.#lookout = new Lookout({ clock, spread, look: () => this.#look(), hurry: () => this.#lookAtBundle() })
  }

  /** A newer bundle that came some other way; answers what it changed. Nobody is told. */
  offer(json: string): BundleChange | null {
    return this.held.offer(json)
  }

  /** Looks at the bundle now; one look for all who ask, and one a second at most. @throws SERVER_*, and refusals */
  refresh(): Promise<void> {
    return this.#lookout.hurry()
  }

  /**
   * Whether others who hold this bundle accept the certificate, and the WIT-SVID where there is one; validity in time is
   * not asked here.
   */
  holdsIssuersOf({ chainPem, notBefore, witSvid }: Pick<Identity, 'chainPem' | 'notBefore' | 'witSvid'>): boolean {
    if (witSvid !== null && !this.held.holdsKeyOf(witSvid)) return false
    const [leaf, ...others] = certificatesOf(chainPem)
    if (leaf === undefined) return false
    try {
      buildPath(leaf, others, this.held.anchors, { at: notBefore, purpose: 'clientAuth' })
      return true
    } catch (error) {
      if (isWritError(error)) return false
      throw error
    }
  }

  /** @throws PEER_NOT_TRUSTED */
  async peerOf(socket: TLSSocket): Promise<SpiffeId> {
    const chain = presentedChain(socket)
    try {
      return this.#verified(chain)
    } catch (error) {
      if (!isWritError(error, 'PEER_NOT_TRUSTED') || chain.length === 0) throw error
      // It may be of an authority that is newer than our trust.
      await this.refresh().catch(() => undefined)
      return this.#verified(chain)
    }
  }

  /** Lets calls under way end, after those that have a connection and no call on it yet have had time to begin. */
  closeLater(agents: readonly Agent[]): void {
    const timer = setTimeout(() => {
      this.#closing.delete(timer)
      for (const agent of agents) void agent.close()
    }, CLOSE_AFTER)
    timer.unref()
    this.#closing.set(timer, agents)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#lookout.close()
    for (const timer of this.#closing.keys()) clearTimeout(timer)
    const agents = [this.#plain, ...[...this.#closing.values()].flat()]
    this.#closing.clear()
    await Promise.all(agents.map((agent) => agent.close()))
  }

  async #look(): Promise<Milliseconds> {
    const { atLeastEvery = Number.POSITIVE_INFINITY, session, advised } = this.#options
    const own = session()
    // First the bundle, so that the next call says that it is in use.
    this.#take(await this.#asAnybody(() => own.fetchBundle(), fetchBundle))
    const advice = await this.#asAnybody(
      () => own.renewalAdvice(),
      (send) => askForAdvice(send, own.identity),
    )
    if (!this.#closed) advised(advice)
    return Math.min(this.held.refreshHint, advice.askAgainIn, atLeastEvery)
  }

  async #lookAtBundle(): Promise<void> {
    this.#take(await fetchBundle((call) => this.#sendPlain(call)))
  }

  #take(json: string): void {
    if (this.#closed) return
    const change = this.held.offer(json)
    if (change !== null) this.#options.changed(change)
  }

  async #asAnybody<Value>(
    asOurselves: () => Promise<Value>,
    ask: (send: (call: ApiCall) => ReturnType<typeof callApi>) => Promise<Value>,
  ): Promise<Value> {
    try {
      return await asOurselves()
    } catch (error) {
      if (isWritError(error, 'SERVER_UNREACHABLE', 'SERVER_NOT_TRUSTED', 'SERVER_NAME_MISMATCH')) throw error
      return ask((call) => this.#sendPlain(call))
    }
  }

  #sendPlain(call: ApiCall): ReturnType<typeof callApi> {
    return callApi({ dispatcher: this.#plain, origin: this.#server }, call)
  }

  #verified(chain: readonly Bytes[]): SpiffeId {
    try {
      const anchorsOf: AnchorsOf = (domain) => (domain.equals(this.#trustDomain) ? this.held.anchors : undefined)
      const at = this.#options.clock.now()
      return verifyX509Svid(chain, anchorsOf, { at, purpose: 'clientAuth' }).spiffeId
    } catch (cause) {
      if (!isWritError(cause)) throw cause
      throw clientError('PEER_NOT_TRUSTED', { cause, details: { why: cause.code } })
    }
  }
}
