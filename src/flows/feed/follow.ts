import type { OutboxRecord } from '#audit/index.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import type { OutboxSignal, Reader } from '../ports.ts'

/** An event that has its place. */
export type SequencedEvent = OutboxRecord & { readonly position: number }

export interface FollowPorts {
  readonly reader: Reader
  readonly signal: OutboxSignal
}

export interface FollowOptions {
  /** Everything behind this position is handed on. */
  readonly from: number
  /** In order, each event once; when it fails, the same events come again. */
  readonly onEvents: (events: readonly SequencedEvent[]) => Promise<void> | void
  /** What went wrong on the way is tried again; this is for the log. */
  readonly onFailure: (error: unknown) => void
  /** How often to look when no hint comes. */
  readonly every?: Milliseconds
}

const PAGE = 1000
const EVERY = SECOND / 2

/**
 * Goes along the outbox by position: catches up, then waits to be woken. Hints may be lost, and another process on the
 * same SQLite file gives none: it looks twice a second all the same.
 */
export class Follower {
  readonly #ports: FollowPorts
  readonly #options: FollowOptions
  #position: number
  #running: Promise<void> | null = null
  #next: Promise<void> | null = null
  #timer: NodeJS.Timeout | undefined
  #unsubscribe: (() => void) | undefined
  #isStopped = false

  constructor(ports: FollowPorts, options: FollowOptions) {
    this.#ports = ports
    this.#options = options
    this.#position = options.from
  }

  /** Everything up to here has been handed on. */
  get position(): number {
    return this.#position
  }

  start(): this {
    this.#unsubscribe = this.#ports.signal.subscribe((news) => {
      if (news === 'sequenced') this.#wake()
    })
    this.#timer = setInterval(() => {
      this.#wake()
    }, this.#options.every ?? EVERY).unref()
    this.#wake()
    return this
  }

  /** Hands on everything that has a position now. @throws what reading or `onEvents` throws */
  catchUp(): Promise<void> {
    if (this.#running === null) {
      this.#running = this.#read().finally(() => {
        this.#running = null
      })
      return this.#running
    }
    // The one under way may have looked before we asked.
    const again = (): Promise<void> => {
      this.#next = null
      return this.catchUp()
    }
    this.#next ??= this.#running.then(again, again)
    return this.#next
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#unsubscribe?.()
    clearInterval(this.#timer)
    await this.#running?.catch(() => undefined)
  }

  #wake(): void {
    this.catchUp().catch((error: unknown) => {
      if (!this.#isStopped) this.#options.onFailure(error)
    })
  }

  async #read(): Promise<void> {
    while (!this.#isStopped) {
      const events = await readEvents(this.#ports.reader, this.#position)
      const last = events.at(-1)
      if (last === undefined) return
      await this.#options.onEvents(events)
      this.#position = last.position
      if (events.length < PAGE) return
    }
  }
}

/** Starts to follow. */
export function follow(ports: FollowPorts, options: FollowOptions): Follower {
  return new Follower(ports, options).start()
}

/** The events behind a position, in order, a thousand at most. */
export async function readEvents(reader: Reader, from: number): Promise<readonly SequencedEvent[]> {
  const rows = await reader.list('Outbox', { where: { position: { gt: from } }, orderBy: 'position', limit: PAGE })
  return rows.filter((row): row is SequencedEvent => row.position !== null)
}

/** Position of the newest event; -1 when there is none. */
export async function newestPosition(reader: Reader): Promise<number> {
  return endPosition(reader, 'descending')
}

/** Position of the oldest event that is kept; -1 when there is none. */
export async function oldestPosition(reader: Reader): Promise<number> {
  return endPosition(reader, 'ascending')
}

async function endPosition(reader: Reader, direction: 'ascending' | 'descending'): Promise<number> {
  const query = { where: { position: { gte: 0 } }, orderBy: 'position', direction, limit: 1 } as const
  const [row] = await reader.list('Outbox', query)
  return row?.position ?? -1
}
