import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import type { ReceiverClock } from '../clock.ts'
import { receiverError } from '../errors.ts'
import { Following } from './following.ts'
import type { FeedFrame } from './frames.ts'
import { MOST_REVOKED, type Revoked } from './revoked.ts'

export interface FeedRequest {
  /** The position to go on behind; undefined for everything that is in force. */
  readonly lastEventId: string | undefined
  /** Ends the stream, and the connection with it. */
  readonly signal: AbortSignal
}

/**
 * Opens `GET /v1/feed` over the receiver's own mTLS identity, and gives the octets of the answer as they come. It
 * rejects, or the stream throws, when the feed is refused or breaks off.
 */
export type OpenFeed = (request: FeedRequest) => Promise<AsyncIterable<Bytes>> | AsyncIterable<Bytes>

/** What is told when authorities have changed; `RefreshingTrust` is one. */
export interface TrustFollower {
  /** Rejects when the trust of that sequence cannot be had. */
  reach(sequence: number): Promise<void>
}

export interface LiveViewOptions {
  readonly openFeed: OpenFeed
  readonly clock: Pick<ReceiverClock, 'monotonic'>
  /** Refreshed at once when the feed says that authorities have changed, and when it breaks off. */
  readonly trust?: TrustFollower
  /** Told of every connection that failed or ended; the view serves on until it is too old. */
  readonly onFailure?: (error: unknown) => void
  /** After this long without a word the connection counts as dead: four heartbeats unless given. */
  readonly silence?: Milliseconds
  /** The first pause before another connection; it doubles up to twenty times as much. */
  readonly pause?: Milliseconds
  /** The most that is remembered; a view that would need more is unusable. */
  readonly most?: number
}

const DEFAULT_SILENCE: Milliseconds = 20 * SECOND
const DEFAULT_PAUSE: Milliseconds = SECOND / 4
const LONGEST_PAUSES = 20
/** A connection that lasted for so long was no failure. */
const WELL: Milliseconds = 5 * SECOND

interface Held {
  readonly revoked: Revoked
  /** When it was last known to be complete, on the monotonic clock. */
  readonly since: Milliseconds
}

/**
 * A live view of what was taken back, from the feed. It counts from the moment when everything in force has been heard,
 * and is as old as the last word of the feed after that, on the monotonic clock. What breaks off is taken up where it
 * was, unless the feed says that it begins anew; after anything that it does not understand the whole view is fetched
 * anew. The old one ages meanwhile.
 */
export class LiveView {
  readonly #options: LiveViewOptions
  readonly #listeners = new Set<() => void>()
  #held: Held | null = null
  #position: number | null = null
  #running: AbortController | null = null
  #failures = 0

  /** @throws RECEIVER_OPTIONS_INVALID */
  constructor(options: LiveViewOptions) {
    const { silence = DEFAULT_SILENCE, pause = DEFAULT_PAUSE, most = MOST_REVOKED } = options
    for (const [option, value] of Object.entries({ silence, pause, most })) {
      if (!(value > 0)) throw receiverError('RECEIVER_OPTIONS_INVALID', { details: { option } })
    }
    this.#options = options
  }

  /** Follows the feed until `close`. Resolves once there is a view; it never rejects, for it tries again and again. */
  start(): Promise<void> {
    if (this.#running === null) {
      this.#running = new AbortController()
      void this.#run(this.#running.signal)
    }
    return this.#first()
  }

  close(): void {
    this.#running?.abort()
    this.#running = null
  }

  /** How long ago everything was known; infinite before the first time. */
  get age(): Milliseconds {
    return this.#held === null ? Number.POSITIVE_INFINITY : this.#options.clock.monotonic() - this.#held.since
  }

  /**
   * What is known to be dead, unless that is older than `maxAge`.
   * @throws RECEIVER_VIEW_MISSING, RECEIVER_VIEW_STALE
   */
  current(maxAge: Milliseconds): Revoked {
    if (this.#held === null) throw receiverError('RECEIVER_VIEW_MISSING')
    const { age } = this
    if (!(age <= maxAge)) throw receiverError('RECEIVER_VIEW_STALE', { details: { age, maxAge } })
    return this.#held.revoked
  }

  /** The same however old it is: what was dead then is dead. Null before the first time. */
  get known(): Revoked | null {
    return this.#held?.revoked ?? null
  }

  /** Calls `listener` whenever more is dead than was, until the function that it returns is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #first(): Promise<void> {
    if (this.#held !== null) return
    await new Promise<void>((resolve) => {
      const stop = this.subscribe(() => {
        if (this.#held === null) return
        stop()
        resolve()
      })
    })
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const began = this.#options.clock.monotonic()
      try {
        await this.#follow(signal)
        throw receiverError('RECEIVER_FEED_ENDED')
      } catch (error) {
        // What broke off can be taken up again; what was not understood cannot.
        if (isWritError(error, ...BEGIN_ANEW)) this.#position = null
        this.#failures++
        if (this.#running?.signal === signal) this.#options.onFailure?.(error)
      }
      // One that served us well is followed by another at once: every moment without is one in which we hear nothing.
      const lasted = this.#options.clock.monotonic() - began
      if (this.#failures > 1 || lasted < WELL) await this.#rest(signal)
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { openFeed, clock, silence = DEFAULT_SILENCE, most = MOST_REVOKED } = this.#options
    const following = new Following({ position: this.#position, known: this.#held?.revoked ?? null, mostRevoked: most })
    const lastEventId = following.position === null ? undefined : String(following.position)
    const connection = new Connection(signal, silence)
    let last = clock.monotonic()
    try {
      for await (const piece of connection.guard(openFeed({ lastEventId, signal: connection.signal }))) {
        const at = clock.monotonic()
        // This process stood still, and its timers with it: what waited to be read is as old as that.
        if (at - last > silence) throw receiverError('RECEIVER_FEED_SILENT')
        last = at
        this.#take(following, piece, at)
      }
    } finally {
      connection.end()
      // It may have ended because our own authority is trusted no more: nobody could tell us over it.
      if (following.isComplete && !signal.aborted) this.#reach(0)
    }
  }

  #take(following: Following, piece: Bytes, at: Milliseconds): void {
    const wasComplete = following.isComplete
    let [isHeard, isNews] = [false, false]
    try {
      following.take(piece, at, (frame) => {
        isHeard = true
        isNews ||= frame.event !== 'heartbeat'
        this.#followTrust(frame)
      })
      if (isHeard && following.isComplete) this.#keep(following, at)
    } finally {
      // Also of what came before something that was not understood.
      if (isNews || wasComplete !== following.isComplete) for (const listener of [...this.#listeners]) listener()
    }
  }

  #keep({ revoked, position }: Following, since: Milliseconds): void {
    this.#held = { revoked, since }
    this.#position = position
    this.#failures = 0
  }

  #followTrust(frame: FeedFrame): void {
    if (frame.event === 'trust' || frame.event === 'ready') this.#reach(frame.sequence)
  }

  #reach(sequence: number): void {
    this.#options.trust?.reach(sequence).catch((error: unknown) => this.#options.onFailure?.(error))
  }

  #rest(signal: AbortSignal): Promise<void> {
    const { pause = DEFAULT_PAUSE } = this.#options
    const length = Math.min(pause * 2 ** Math.min(this.#failures - 1, 10), pause * LONGEST_PAUSES)
    return new Promise((resolve) => {
      if (signal.aborted) {
        resolve()
        return
      }
      const timer = setTimeout(resolve, length)
      timer.unref()
      signal.addEventListener('abort', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

/** After these a connection has to begin with the whole view. The last one is what the server says. */
const BEGIN_ANEW = [
  'RECEIVER_FEED_MALFORMED',
  'RECEIVER_FEED_DISORDERED',
  'RECEIVER_FEED_TOO_LARGE',
  'FEED_POSITION_INVALID',
] as const

/** A stream that is given up when nothing comes for too long, also before it has begun. */
class Connection {
  readonly #controller = new AbortController()
  readonly #silence: Milliseconds
  readonly #stop: () => void
  readonly #outer: AbortSignal
  #timer: NodeJS.Timeout | undefined

  constructor(outer: AbortSignal, silence: Milliseconds) {
    this.#silence = silence
    this.#outer = outer
    this.#stop = () => {
      this.#controller.abort(receiverError('RECEIVER_FEED_ENDED'))
    }
    outer.addEventListener('abort', this.#stop)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  async *guard(opening: ReturnType<OpenFeed>): AsyncGenerator<Bytes> {
    this.#wait()
    const pieces = (await this.#orGivenUp(Promise.resolve(opening)))[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await this.#orGivenUp(pieces.next())
        if (next.done === true) return
        this.#wait()
        yield next.value
      }
    } finally {
      // Not awaited: a stream that hangs may hang here, too.
      void pieces.return?.().catch(() => undefined)
    }
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#outer.removeEventListener('abort', this.#stop)
    this.#stop()
  }

  #wait(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#controller.abort(receiverError('RECEIVER_FEED_SILENT'))
    }, this.#silence)
    this.#timer.unref()
  }

  #orGivenUp<Value>(promise: Promise<Value>): Promise<Value> {
    const { signal } = this
    return new Promise((resolve, reject) => {
      const givenUp = (): void => {
        reject(signal.reason as Error)
      }
      if (signal.aborted) givenUp()
      signal.addEventListener('abort', givenUp, { once: true })
      promise.then(resolve, reject).finally(() => {
        signal.removeEventListener('abort', givenUp)
      })
    })
  }
}
