import { fetch, Headers, type RequestInit, type Response } from 'undici'
import type { TLSSocket } from 'node:tls'
import type { Bytes } from '#kernel/bytes.ts'
import type { Clock } from '#kernel/clock.ts'
import { isWritError } from '#kernel/errors.ts'
import { MINUTE, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import type { SpiffeId } from '#spiffe/index.ts'
import { clientError } from './errors.ts'
import { FollowedTrust } from './followed-trust.ts'
import { Generation } from './generation.ts'
import type { Identity } from './identity.ts'
import type { RenewalAdvice } from './public-documents.ts'
import { isRenewalOver } from './renewal-over.ts'
import { RenewalTimer } from './renewal-timer.ts'
import type { ExchangeOptions, NarrowOptions, Session, TaskToken } from './session.ts'
import type { FeedRequest } from './open-feed.ts'
import { presentedToken } from './presented-token.ts'
import type { PeerExpectation } from './server-trust.ts'

export interface LiveOptions {
  readonly clock: Clock
  readonly random: Random
  /** Called after each renewal, so that the new files can be written. */
  readonly renewed?: (identity: Identity) => void
  /** Called when the bundle was replaced between two renewals; `contentChanged` is false when only its sequence rose. */
  readonly trusted?: (identity: Identity, change: { readonly contentChanged: boolean }) => void
  /** Called when a renewal failed; it is tried again with a growing pause while the old certificate serves on. */
  readonly failed?: (error: unknown) => void
  /** Where the evidence can be shown again: a new enrollment, when the server renews no more. */
  readonly enrollAnew?: (() => Promise<Identity>) | undefined
  /** Whom a service may prove to be: its host name as DNS name (the default), or SPIFFE IDs. */
  readonly accepts?: (spiffeId: string) => boolean
  /**
   * The sequence of the bundle that the server is told is in use, where others use it than this object alone and may
   * not have the newest yet. That of the bundle in use here unless given.
   */
  readonly reports?: () => bigint | undefined
  /** Looks at the bundle and the renewal information this often, where their hints ask for less. */
  readonly looksAtLeastEvery?: Milliseconds
}

/** How long whoever has got hold of a session may go on with it after a renewal. */
const LINGER: Milliseconds = MINUTE
/** How the server says that it does not trust any more who signed the certificate, or the WIT-SVID. */
const ISSUER_GONE = ['CLIENT_CERTIFICATE_UNTRUSTED', 'WIT_KEY_UNKNOWN']

/** How long whoever closes it waits for a renewal. */
const PATIENCE_AT_END: Milliseconds = 2 * SECOND

/** Resolves once `work` has ended either way, or after that long: how it ended is told to whoever began it. */
async function atMost(length: Milliseconds, work: Promise<unknown> | undefined): Promise<void> {
  if (work === undefined) return
  let timer: NodeJS.Timeout | undefined
  const isLate = new Promise((resolve) => (timer = setTimeout(resolve, length)))
  await Promise.race([work.catch(() => undefined), isLate])
  clearTimeout(timer)
}

/**
 * An identity that keeps itself fresh: its certificate by renewal, when its time has come or the server says so, and
 * its trust by the bundle's refresh hint. A renewal swaps in new connections at once; a task token goes on being
 * presented over the certificate that it is bound to, whose connections close after the last such token has expired.
 */
export class LiveIdentity {
  readonly #options: LiveOptions
  readonly #trust: FollowedTrust
  readonly #listeners = new Set<() => void>()
  #current: Generation
  readonly #tokens = new WeakMap<TaskToken, Generation>()
  readonly #retiring = new Set<Generation>()
  readonly #timer: RenewalTimer
  #closed = false

  constructor(identity: Identity, options: LiveOptions) {
    this.#options = options
    const { clock, random } = options
    this.#timer = new RenewalTimer({
      clock,
      random,
      renew: () => this.renew(),
      failed: (error) => options.failed?.(error),
      ticked: () => {
        this.#closeForgotten()
      },
    })
    this.#timer.start(identity)
    this.#trust = this.#follow(identity)
    try {
      this.#current = this.#generation(identity)
    } catch (error) {
      this.#timer.close()
      void this.#trust.close()
      throw error
    }
  }

  /** With the bundle that is in use. */
  get identity(): Identity {
    return { ...this.#current.identity, bundleJson: this.#trust.held.json }
  }

  /** Calls to our own server. Take it anew each time: it changes with each renewal. */
  get session(): Session {
    this.#assertOpen()
    return this.#current.session
  }

  async exchange(options: ExchangeOptions): Promise<TaskToken> {
    this.#assertOpen()
    const generation = this.#current
    return this.#bind(generation, await this.#lookingAgain(() => generation.session.exchange(options)))
  }

  /** @throws what `exchange` throws */
  async narrow(options: NarrowOptions): Promise<TaskToken> {
    this.#assertOpen()
    const generation = this.#tokens.get(options.from) ?? this.#current
    return this.#bind(generation, await this.#lookingAgain(() => generation.session.narrow(options)))
  }

  /** Presents `token` to a service, over the certificate that it is bound to, or with a proof of the key that it is. */
  async fetch(url: string, token: TaskToken, init: RequestInit = {}): Promise<Response> {
    this.#assertOpen()
    const generation = this.#tokens.get(token) ?? this.#current
    const presented = await presentedToken(generation.identity, this.#options, {
      method: init.method ?? 'GET',
      url,
      token: token.token,
    })
    const headers = new Headers(init.headers)
    for (const [name, value] of Object.entries(presented)) headers.set(name, value)
    return fetch(url, { ...init, headers, dispatcher: generation.outward, redirect: 'manual' })
  }

  /**
   * Who has connected to a server of ours, by the certificate that it presented; ask on every request. A peer of an
   * authority that is newer than our bundle makes us fetch that.
   * @throws PEER_NOT_TRUSTED
   */
  peerOf(socket: TLSSocket): Promise<SpiffeId> {
    this.#assertOpen()
    return this.#trust.peerOf(socket)
  }

  /** Calls back after each renewal, until the returned function is called. */
  onRenewal(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * The feed of what was taken back: `openFeed` of a receiver's live view. A certificate that is refused because its
   * authority is trusted no more is renewed at once, so that the view can go on before it is too old.
   * @throws as `openFeed` of the session
   */
  openFeed(request: FeedRequest): Promise<AsyncIterable<Bytes>> {
    return this.#lookingAgain(() => this.session.openFeed(request))
  }

  /**
   * Who is refused because its issuer is trusted no more has an old bundle: the next one makes it renew. The refusal is
   * what is told; a look that fails is made again by the bundle's own hint.
   */
  async #lookingAgain<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    try {
      return await call()
    } catch (error) {
      if (isWritError(error, ...ISSUER_GONE) && !this.#closed) void this.refreshTrust().catch(() => undefined)
      throw error
    }
  }

  /** Looks at once whether there is a newer bundle. @throws what the server refuses; SERVER_UNREACHABLE */
  refreshTrust(): Promise<void> {
    this.#assertOpen()
    return this.#trust.refresh()
  }

  /** Renews now; concurrent calls share one renewal. @throws what the server refuses, while the old goes on serving */
  renew(): Promise<Identity> {
    this.#assertOpen()
    this.#renewal ??= this.#renew().finally(() => (this.#renewal = undefined))
    return this.#renewal
  }

  #renewal: Promise<Identity> | undefined

  async #renew(): Promise<Identity> {
    const next = await this.#next()
    // Whoever has closed it has taken its files away: nothing may bring them back.
    this.#assertOpen()
    const old = this.#current
    const change = this.#trust.offer(next.bundleJson)
    this.#current = this.#generation(next)
    old.boundUntil = Math.max(old.boundUntil, this.#options.clock.now() + LINGER) as Instant
    this.#retiring.add(old)
    if (change?.anchorsGone === true) this.#reconnect()
    this.#timer.start(next)
    const { identity } = this
    this.#options.renewed?.(identity)
    for (const listener of this.#listeners) listener()
    return identity
  }

  async #next(): Promise<Identity> {
    const { enrollAnew } = this.#options
    try {
      return await this.#current.session.renew()
    } catch (error) {
      if (enrollAnew === undefined || !isRenewalOver(error)) throw error
      return enrollAnew()
    }
  }

  /** A renewal that is under way has a moment to end, so that what the server has given is not lost. */
  async close(): Promise<void> {
    this.#timer.close()
    await atMost(PATIENCE_AT_END, this.#renewal)
    this.#closed = true
    const all = [this.#current, ...this.#retiring]
    this.#retiring.clear()
    await Promise.all([this.#trust.close(), ...all.map((generation) => generation.close())])
  }

  #follow(identity: Identity): FollowedTrust {
    const { clock, looksAtLeastEvery: atLeastEvery } = this.#options
    return new FollowedTrust(identity, {
      clock,
      spread: this.#timer.draw,
      atLeastEvery,
      session: () => this.#current.session,
      changed: (change) => {
        this.#trustChanged(change)
      },
      advised: (advice) => {
        this.#heed(advice)
      },
    })
  }

  #assertOpen(): void {
    if (this.#closed) throw clientError('IDENTITY_CLOSED')
  }

  #bind(generation: Generation, token: TaskToken): TaskToken {
    generation.boundUntil = Math.max(generation.boundUntil, token.expiresAt) as Instant
    this.#tokens.set(token, generation)
    return token
  }

  #generation(identity: Identity): Generation {
    const { held } = this.#trust
    return new Generation(identity, {
      means: this.#options,
      held,
      reported: this.#options.reports ?? (() => held.sequence),
      expectation: this.#serviceExpectation,
      trustAgain: () => this.#trust.refresh(),
    })
  }

  readonly #serviceExpectation = (hostname: string): PeerExpectation => {
    const { accepts } = this.#options
    return accepts === undefined ? { kind: 'dns-name', name: hostname } : { kind: 'spiffe-id', accepts }
  }

  /** What was verified under an anchor that has gone is not used for anything new. */
  #trustChanged({ anchorsGone, contentChanged }: { anchorsGone: boolean; contentChanged: boolean }): void {
    if (anchorsGone) this.#reconnect()
    this.#options.trusted?.(this.identity, { contentChanged })
    if (!this.#trust.holdsIssuersOf(this.#current.identity)) this.#timer.renewAtOnce()
  }

  #reconnect(): void {
    for (const generation of [this.#current, ...this.#retiring]) this.#trust.closeLater(generation.reconnect())
  }

  #heed(advice: RenewalAdvice): void {
    const { identity } = this.#current
    if (advice.serial !== identity.serial) return
    if (this.#trust.holdsIssuersOf(identity)) this.#timer.heed(advice, identity)
    else this.#timer.renewAtOnce()
  }

  /** A retired generation goes when no token bound to it can be valid any more. */
  #closeForgotten(): void {
    const now = this.#options.clock.now()
    for (const generation of this.#retiring) {
      if (generation.boundUntil >= now) continue
      this.#retiring.delete(generation)
      void generation.close()
    }
  }
}
