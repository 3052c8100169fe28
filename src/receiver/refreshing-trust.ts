import type { Bytes } from '#kernel/bytes.ts'
import { MINUTE, SECOND, type Milliseconds } from '#kernel/instant.ts'
import { DEFAULT_REFRESH_SECONDS, type TrustDomain } from '#spiffe/index.ts'
import type { ReceiverClock } from './clock.ts'
import { receiverError } from './errors.ts'
import { hasOlderCrl } from './older-crl.ts'
import { parseTrust, type Trust, type TrustSource } from './trust.ts'

/** DESIGN.md promise 6: a view older than this denies. */
export const DEFAULT_MAX_STALENESS: Milliseconds = 5 * MINUTE

export interface RefreshingTrustOptions {
  readonly trustDomain: TrustDomain
  /** Both over a connection that is authenticated by a pin or an earlier bundle, each within a time limit. */
  readonly fetchBundle: () => Promise<Bytes | string>
  readonly fetchJwks: () => Promise<Bytes | string>
  /** The CRLs of the authorities that have issuing ones below them, DER: for chains with intermediates. */
  readonly fetchCrls?: () => Promise<readonly Bytes[]>
  /** Refuses a chain with an intermediate of which no current CRL speaks. */
  readonly requireIntermediateCrl?: boolean
  readonly clock: Pick<ReceiverClock, 'monotonic'>
  readonly maxStaleness?: Milliseconds
  /** Told of every refresh that failed; the old view serves on until it is stale. */
  readonly onFailure?: (error: unknown) => void
}

const MIN_INTERVAL: Milliseconds = SECOND
const REACH_ATTEMPTS = 10

/**
 * Keeps bundle and keys fresh by the bundle's refresh hint, and at least three times within the staleness limit. While
 * the server is away the last view serves on; once it is older than the limit everything is denied until a refresh
 * succeeds. Age is counted from before the fetch, on the monotonic clock, so that setting the wall clock back cannot
 * make an old view young.
 */
export class RefreshingTrust implements TrustSource {
  readonly #options: RefreshingTrustOptions
  readonly #maxStaleness: Milliseconds
  #held: { readonly trust: Trust; readonly since: Milliseconds } | undefined
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #open = false

  constructor(options: RefreshingTrustOptions) {
    const { maxStaleness = DEFAULT_MAX_STALENESS } = options
    if (!(maxStaleness >= SECOND))
      throw receiverError('RECEIVER_OPTIONS_INVALID', { details: { option: 'maxStaleness' } })
    this.#options = options
    this.#maxStaleness = maxStaleness
  }

  current(): Trust {
    if (this.#held === undefined) throw receiverError('RECEIVER_TRUST_MISSING')
    const age = this.#options.clock.monotonic() - this.#held.since
    if (age > this.#maxStaleness) throw receiverError('RECEIVER_TRUST_STALE', { details: { age } })
    return this.#held.trust
  }

  /** How long to wait between two refreshes; the same after a failure (SPIFFE Federation section 6.2). */
  get interval(): Milliseconds {
    const hint = (this.#held?.trust.bundle.refreshHint ?? DEFAULT_REFRESH_SECONDS) * SECOND
    return Math.max(MIN_INTERVAL, Math.min(hint, this.#maxStaleness / 3))
  }

  /** Fetches every document and replaces the view whole, or not at all. One refresh runs at a time. */
  async refresh(): Promise<void> {
    this.#running ??= this.#load().finally(() => {
      this.#running = undefined
    })
    await this.#running
  }

  /**
   * Refreshes at once, as the feed asks for, and again until the bundle has that sequence: another replica may serve an
   * older one for some seconds.
   * @throws RECEIVER_TRUST_BEHIND, and what the last refresh threw
   */
  async reach(sequence: number): Promise<void> {
    // One that is on its way may have been asked for before the change.
    await this.#running?.catch(() => undefined)
    for (let left = REACH_ATTEMPTS; ; left--) {
      try {
        await this.refresh()
        const held = this.#held?.trust.bundle.sequence ?? sequence
        if (held >= sequence) return
        throw receiverError('RECEIVER_TRUST_BEHIND', { details: { sequence } })
      } catch (error) {
        if (left === 1) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, MIN_INTERVAL).unref())
    }
  }

  /** Refreshes once, then again and again until `close`. Rejects when the first refresh fails, and goes on regardless. */
  async start(): Promise<void> {
    this.#open = true
    try {
      await this.refresh()
    } finally {
      this.#schedule()
    }
  }

  close(): void {
    this.#open = false
    clearTimeout(this.#timer)
  }

  async #load(): Promise<void> {
    const since = this.#options.clock.monotonic()
    const { trustDomain, fetchBundle, fetchJwks, fetchCrls, requireIntermediateCrl = false } = this.#options
    // What is fetched after the bundle is no older than its sequence says.
    const bundle = await fetchBundle()
    const [jwks, crls] = await Promise.all([fetchJwks(), fetchCrls?.() ?? []])
    const trust = parseTrust(trustDomain, { bundle, jwks, crls, requireIntermediateCrl })
    const [held, fetched] = [this.#held?.trust.bundle.sequence, trust.bundle.sequence]
    if (held !== undefined && fetched !== undefined && fetched < held) throw receiverError('RECEIVER_BUNDLE_ROLLBACK')
    if (this.#held !== undefined && hasOlderCrl(this.#held.trust, trust)) throw receiverError('RECEIVER_CRL_ROLLBACK')
    this.#held = { trust, since }
  }

  /** After every refresh anew, since it may have brought another hint. */
  #schedule(): void {
    clearTimeout(this.#timer)
    if (!this.#open) return
    this.#timer = setTimeout(() => {
      void this.#refreshAgain()
    }, this.interval)
    this.#timer.unref()
  }

  async #refreshAgain(): Promise<void> {
    try {
      await this.refresh()
    } catch (error) {
      this.#options.onFailure?.(error)
    }
    this.#schedule()
  }
}
