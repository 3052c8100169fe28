import { FEED_HEARTBEAT_SECONDS } from '#wire/index.ts'
import { SECOND, toRfc3339, type Milliseconds } from '#kernel/instant.ts'
import type { OutboxSignal } from '../ports.ts'
import { follow, type Follower, newestPosition, type SequencedEvent } from './follow.ts'
import { frame, type Frame } from './frame.ts'
import type { FramePorts } from './frames-of-cutoff.ts'
import { framesOfEvent, isQuiet } from './frames-of-event.ts'
import { Listener } from './listener.ts'
import { SharedResources } from './shared-resources.ts'

export interface FeedHubPorts extends FramePorts {
  readonly signal: OutboxSignal
  /** Brings the authorities of this replica up to date. */
  readonly refreshAuthorities: () => Promise<void>
}

export interface FeedHubOptions {
  /** What goes wrong is tried again; this is for the log. */
  readonly onFailure: (error: unknown) => void
  readonly observer: FeedObserver
}

export interface FeedObserver {
  streams(open: number): void
  sent(frames: number): void
  /** Age of the oldest event that has no position yet. */
  lag(length: Milliseconds): void
}

const HEARTBEAT: Milliseconds = FEED_HEARTBEAT_SECONDS * SECOND
const HEARTBEAT_OWED: Milliseconds = SECOND / 2

/** With events this old that nobody has given a position, nobody can say that nothing has happened. */
const LAG_ALLOWED: Milliseconds = 2 * SECOND

/**
 * Turns each event into frames, once for all streams of this replica, and hands them to those who listen.
 */
export class FeedHub {
  readonly #ports: FeedHubPorts
  readonly #options: FeedHubOptions
  readonly #listeners = new Set<Listener>()
  readonly resources: SharedResources
  readonly #follower: Follower
  #timer: NodeJS.Timeout | null = null
  #isStopped = false
  #position: number

  private constructor(ports: FeedHubPorts, options: FeedHubOptions, from: number) {
    this.#ports = ports
    this.#options = options
    this.#position = from
    this.resources = new SharedResources(ports.reader)
    this.#follower = follow(ports, { from, onEvents: (events) => this.#onEvents(events), onFailure: options.onFailure })
    this.#beatIn(HEARTBEAT)
  }

  /** Begins with what happens from now on. */
  static async start(ports: FeedHubPorts, options: FeedHubOptions): Promise<FeedHub> {
    return new FeedHub(ports, options, await newestPosition(ports.reader))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#follower.stop()
    for (const listener of [...this.#listeners]) this.leave(listener)
  }

  /** Everything up to here has been handed to everybody. */
  get position(): number {
    return this.#position
  }

  /** Until everything that has a position now has been handed on. */
  catchUp(): Promise<void> {
    return this.#follower.catchUp()
  }

  /** From now on the listener is handed everything behind `position`. */
  join(audiences: ReadonlySet<string>): Listener {
    const listener = new Listener(audiences, this.#position)
    this.#listeners.add(listener)
    this.#options.observer.streams(this.#listeners.size)
    return listener
  }

  leave(listener: Listener): void {
    listener.end()
    this.#listeners.delete(listener)
    this.#options.observer.streams(this.#listeners.size)
  }

  sent(frames: number): void {
    this.#options.observer.sent(frames)
  }

  /**
   * Tells everybody that nothing was missed: only when that is so, which it answers. While nobody gives positions,
   * receivers shall find their view growing old. @throws when the store cannot be asked
   */
  async beat(): Promise<boolean> {
    const lag = await this.#lag()
    this.#options.observer.lag(lag)
    if (lag > LAG_ALLOWED) return false
    await this.catchUp()
    const at = toRfc3339(this.#ports.clock.now())
    this.#hand([frame('heartbeat', { position: this.#position, at }, null)])
    return true
  }

  /** One that could not be sent is made up for as soon as somebody gives positions again. */
  #beatIn(length: Milliseconds): void {
    if (this.#isStopped) return
    const beat = async (): Promise<void> => {
      let isSent = true
      try {
        isSent = await this.beat()
      } catch (error) {
        this.#options.onFailure(error)
      }
      this.#beatIn(isSent ? HEARTBEAT : HEARTBEAT_OWED)
    }
    this.#timer = setTimeout(() => void beat(), length).unref()
  }

  async #lag(): Promise<Milliseconds> {
    const { reader, clock } = this.#ports
    const waiting = await reader.list('Outbox', { where: { position: null }, orderBy: 'position', limit: 1000 })
    const now = clock.now()
    return Math.max(0, ...waiting.map(({ createdAt }) => now - createdAt))
  }

  async #onEvents(events: readonly SequencedEvent[]): Promise<void> {
    for (const event of events) {
      // Some of them may have been handed on before the failure that brings them again.
      if (event.position <= this.#position) continue
      // A key that cannot be opened holds up nothing else: the duty that keeps authorities tries again.
      if (event.type === 'authority.changed') await this.#ports.refreshAuthorities().catch(this.#options.onFailure)
      const frames = isQuiet(event) ? null : await framesOfEvent(this.#ports, event)
      this.#position = event.position
      if (frames !== null) this.#hand(frames)
    }
  }

  #hand(frames: readonly Frame[]): void {
    for (const listener of this.#listeners) listener.hand({ position: this.#position, frames })
  }
}
