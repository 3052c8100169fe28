import { utf8, type Bytes } from '#kernel/bytes.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import { receiverError, type FeedRequest } from '#receiver/index.ts'
import { FEED_FRAMES, type FeedEvent, type FeedFrame } from '#wire/index.ts'
import { NOW } from '../support/tokens.ts'

interface Said {
  readonly position: number
  readonly text: string
}

/** One event as the server writes it; the schema of the wire has the last word on its data. */
export function eventText<Event extends FeedEvent>(event: Event, data: FeedFrame<Event>, id?: number | string): string {
  const json = JSON.stringify(FEED_FRAMES[event].parse(data))
  return `${id === undefined ? '' : `id: ${String(id)}\n`}event: ${event}\ndata: ${json}\n\n`
}

/** One open connection. */
class Line {
  readonly #pieces: Bytes[] = []
  #wake: (() => void) | null = null
  #end: Error | 'ended' | null = null

  send(text: string): void {
    this.#pieces.push(utf8(text))
    this.#wake?.()
  }

  end(reason: Error | 'ended'): void {
    this.#end = reason
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes> {
    for (;;) {
      const piece = this.#pieces.shift()
      if (piece !== undefined) yield piece
      else if (this.#end === 'ended') return
      else if (this.#end !== null) throw this.#end
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

/**
 * The feed of a server, in memory: everything that is said has a position, a connection without one gets the whole
 * view, and one with a position what came since.
 */
export class FakeFeed {
  readonly requests: (string | undefined)[] = []
  /** What every connection begins with, in place of what there is to say. */
  script: ((request: FeedRequest) => string) | null = null
  /** Refuses connections while it is set. */
  refusal: Error | null = null
  /** Whether a connection is told that it has heard everything. */
  isReadySaid = true
  sequence = 1
  readonly #said: Said[] = []
  readonly #lines = new Set<Line>()
  #position = 0

  readonly open = (request: FeedRequest): Promise<AsyncIterable<Bytes>> => {
    this.requests.push(request.lastEventId)
    if (this.refusal !== null) return Promise.reject(this.refusal)
    const line = new Line()
    this.#lines.add(line)
    request.signal.addEventListener('abort', () => {
      this.#lines.delete(line)
      line.end('ended')
    })
    line.send(this.script?.(request) ?? this.#beginning(request))
    return Promise.resolve(line)
  }

  get connections(): number {
    return this.#lines.size
  }

  get position(): number {
    return this.#position
  }

  say<Event extends FeedEvent>(event: Event, data: FeedFrame<Event>, position = this.#position + 1): void {
    this.#position = position
    const said = { position, text: eventText(event, data, position) }
    this.#said.push(said)
    this.raw(said.text)
  }

  heartbeat(): void {
    this.raw(eventText('heartbeat', { position: this.#position, at: toRfc3339(NOW) }))
  }

  /** Whatever to whoever listens. */
  raw(text: string): void {
    for (const line of this.#lines) line.send(text)
  }

  /** Breaks every connection. */
  drop(reason: Error | 'ended' = receiverError('RECEIVER_FEED_ENDED')): void {
    for (const line of [...this.#lines]) {
      this.#lines.delete(line)
      line.end(reason)
    }
  }

  #beginning({ lastEventId }: FeedRequest): string {
    const since = lastEventId === undefined ? -1 : Number(lastEventId)
    const missed = this.#said.filter(({ position }) => position > since).map(({ text }) => text)
    const ready = eventText('ready', { position: this.#position, sequence: this.sequence })
    return missed.join('') + (this.isReadySaid ? ready : '')
  }
}
