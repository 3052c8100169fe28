import { once } from 'node:events'
import { request, type Agent } from 'node:https'
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { ClientIdentity } from './server.ts'

/** One event of the stream, with when it came in, by the clock that only runs forward. */
export interface Heard {
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
  readonly id: string | null
  readonly at: number
}

/** Server-sent events, taken apart by the rules of the WHATWG: fields by line, an empty line ends an event. */
export function parseEvents(text: string, at = 0): readonly Heard[] {
  return text
    .split('\n\n')
    .filter((block) => block.trim() !== '')
    .map((block) => {
      const fields = new Map(
        block.split('\n').map((line) => {
          const colon = line.indexOf(':')
          return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')] as const
        }),
      )
      const data = JSON.parse(fields.get('data') ?? '{}') as Record<string, unknown>
      return { event: fields.get('event') ?? 'message', data, id: fields.get('id') ?? null, at }
    })
}

export interface FeedAsk {
  readonly as?: ClientIdentity
  readonly lastEventId?: string
  readonly agent?: Agent
}

/** A reader of `GET /v1/feed` over a connection of its own. */
export class FeedReader {
  readonly heard: Heard[] = []
  readonly response: IncomingMessage
  readonly #request: ClientRequest
  ended = false
  #rest = ''

  private constructor(sent: ClientRequest, response: IncomingMessage) {
    this.#request = sent
    this.response = response
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      this.#take(chunk)
    })
    for (const end of ['end', 'close', 'error']) response.on(end, () => (this.ended = true))
  }

  static async open(port: number, { as, lastEventId }: FeedAsk = {}): Promise<FeedReader> {
    const identity = as === undefined ? {} : { key: as.key, cert: as.cert }
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
    const where = { host: '127.0.0.1', port, path: '/v1/feed', servername: 'localhost', rejectUnauthorized: false }
    const sent = request({ ...where, agent: false, headers, ...identity })
    sent.end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    sent.on('error', () => undefined)
    return new FeedReader(sent, response)
  }

  get status(): number {
    return this.response.statusCode ?? 0
  }

  /** What it got where it was refused. */
  async problem(): Promise<Readonly<Record<string, unknown>>> {
    while (!this.ended) await once(this.response, 'close')
    return JSON.parse(this.#rest) as Record<string, unknown>
  }

  of(event: string): readonly Heard[] {
    return this.heard.filter((one) => one.event === event)
  }

  /** The first event that fits, waiting for it. */
  async until(fits: (heard: Heard) => boolean, limit = 25_000): Promise<Heard> {
    const patience = performance.now() + limit
    for (;;) {
      const found = this.heard.find(fits)
      if (found !== undefined) return found
      if (this.ended || performance.now() > patience) {
        throw new TypeError(`not heard; ended: ${String(this.ended)}; heard: ${JSON.stringify(this.heard)}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  ready(): Promise<Heard> {
    return this.until(({ event }) => event === 'ready')
  }

  async end(limit = 15_000): Promise<void> {
    const patience = performance.now() + limit
    while (!this.ended && performance.now() < patience) await new Promise((resolve) => setTimeout(resolve, 5))
    if (!this.ended) throw new TypeError('the stream goes on')
  }

  close(): void {
    this.#request.destroy()
  }

  #take(chunk: string): void {
    this.#rest += chunk
    if (this.status !== 200) return
    const end = this.#rest.lastIndexOf('\n\n')
    if (end === -1) return
    this.heard.push(...parseEvents(this.#rest.slice(0, end), performance.now()))
    this.#rest = this.#rest.slice(end + 2)
  }
}
