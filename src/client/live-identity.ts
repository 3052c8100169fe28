import { fetch, Headers, type Agent, type RequestInit, type Response } from 'undici'
import type { Clock } from '#kernel/clock.ts'
import { earliest, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import { credentialOf, verifiedAgent } from './connect.ts'
import { clientError } from './errors.ts'
import { anchorsOf, type Identity } from './identity.ts'
import { isRenewalOver } from './renewal-over.ts'
import { Session, type ExchangeOptions, type NarrowOptions, type TaskToken } from './session.ts'
import { presentedToken } from './presented-token.ts'
import { serverExpectation, type PeerExpectation } from './server-trust.ts'

/** One certificate in use: its connections, and until when a token bound to it may still be presented. */
interface Generation {
  readonly identity: Identity
  /** To our own server. */
  readonly home: Agent
  /** To services, which must prove a name of our own trust domain. */
  readonly outward: Agent
  readonly session: Session
  boundUntil: Instant
}

export interface LiveOptions {
  readonly clock: Clock
  readonly random: Random
  /** Called after each renewal, so that the new files can be written. */
  readonly renewed?: (identity: Identity) => void
  /** Called when a renewal failed; it is tried again with a growing pause while the old certificate serves on. */
  readonly failed?: (error: unknown) => void
  /** Where the evidence can be shown again: a new enrollment, when the server renews no more. */
  readonly enrollAnew?: (() => Promise<Identity>) | undefined
  /** Whom a service may prove to be: its host name as DNS name (the default), or SPIFFE IDs. */
  readonly accepts?: (spiffeId: string) => boolean
}

const FIRST_PAUSE: Milliseconds = 5 * SECOND
const LONGEST_PAUSE: Milliseconds = 240 * SECOND
/** Timers do not see a clock that was set, or a machine that slept: how late such a step is noticed at most. */
const LONGEST_WAIT: Milliseconds = 30 * SECOND

/**
 * An identity that keeps itself fresh. A renewal swaps in new connections at once; a task token goes on being
 * presented over the certificate that it is bound to, whose connections close after the last such token has expired.
 */
export class LiveIdentity {
  readonly #options: LiveOptions
  #current: Generation
  readonly #tokens = new WeakMap<TaskToken, Generation>()
  readonly #retiring = new Set<Generation>()
  #timer: NodeJS.Timeout | undefined
  #dueAt: Instant
  #pause: Milliseconds = FIRST_PAUSE
  #closed = false

  constructor(identity: Identity, options: LiveOptions) {
    this.#options = options
    this.#current = this.#generation(identity)
    this.#dueAt = this.#drawDue(identity)
    this.#wait(this.#untilDue())
  }

  get identity(): Identity {
    return this.#current.identity
  }

  /** Calls to our own server. Take it anew each time: it changes with each renewal. */
  get session(): Session {
    this.#assertOpen()
    return this.#current.session
  }

  async exchange(options: ExchangeOptions): Promise<TaskToken> {
    this.#assertOpen()
    const generation = this.#current
    return this.#bind(generation, await generation.session.exchange(options))
  }

  /** @throws what `exchange` throws */
  async narrow(options: NarrowOptions): Promise<TaskToken> {
    this.#assertOpen()
    const generation = this.#tokens.get(options.from) ?? this.#current
    return this.#bind(generation, await generation.session.narrow(options))
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

  /** Renews now; concurrent calls share one renewal. @throws what the server refuses, while the old goes on serving */
  renew(): Promise<Identity> {
    this.#assertOpen()
    this.#renewal ??= this.#renew().finally(() => (this.#renewal = undefined))
    return this.#renewal
  }

  #renewal: Promise<Identity> | undefined

  async #renew(): Promise<Identity> {
    const identity = await this.#next()
    const old = this.#current
    this.#current = this.#generation(identity)
    this.#retiring.add(old)
    this.#dueAt = this.#drawDue(identity)
    this.#wait(this.#untilDue())
    this.#pause = FIRST_PAUSE
    this.#options.renewed?.(identity)
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

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    const all = [this.#current, ...this.#retiring]
    this.#retiring.clear()
    await Promise.all(all.flatMap((generation) => [generation.home.close(), generation.outward.close()]))
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
    const { clock } = this.#options
    const shown = credentialOf(identity)
    const anchors = anchorsOf(identity)
    const trust = (): { kind: 'anchors'; anchors: typeof anchors } => ({ kind: 'anchors', anchors })
    const home = verifiedAgent({ trust, expectation: serverExpectation, ...shown, clock })
    const outward = verifiedAgent({ trust, expectation: this.#serviceExpectation, ...shown, clock })
    const session = new Session(identity, home, this.#options)
    return { identity, home, outward, session, boundUntil: clock.now() }
  }

  readonly #serviceExpectation = (hostname: string): PeerExpectation => {
    const { accepts } = this.#options
    return accepts === undefined ? { kind: 'dns-name', name: hostname } : { kind: 'spiffe-id', accepts }
  }

  /** Half of what is left at issuance, with a tenth of jitter drawn once per certificate. */
  #drawDue(identity: Identity): Instant {
    const life = identity.notAfter - identity.notBefore
    const draw = (this.#options.random.bytes(1)[0] ?? 0) / 255
    const due = identity.renewAt + (draw - 0.5) * 0.2 * (life / 2)
    return earliest(due as Instant, identity.notAfter)
  }

  #untilDue(): Milliseconds {
    return Math.max(0, this.#dueAt - this.#options.clock.now())
  }

  #wait(length: Milliseconds): void {
    clearTimeout(this.#timer)
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.#tick(), Math.min(length, LONGEST_WAIT))
    this.#timer.unref()
  }

  async #tick(): Promise<void> {
    this.#closeForgotten()
    if (this.#untilDue() > 0) this.#wait(this.#untilDue())
    else await this.#renewOrPause()
  }

  async #renewOrPause(): Promise<void> {
    try {
      await this.renew()
    } catch (error) {
      if (this.#closed) return
      this.#pauseUntilRetry()
      this.#options.failed?.(error)
    }
  }

  #pauseUntilRetry(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#tick(), this.#pause)
    this.#timer.unref()
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE)
  }

  /** A retired generation goes when no token bound to it can be valid any more. */
  #closeForgotten(): void {
    const now = this.#options.clock.now()
    for (const generation of this.#retiring) {
      if (generation.boundUntil >= now) continue
      this.#retiring.delete(generation)
      void generation.home.close()
      void generation.outward.close()
    }
  }
}
