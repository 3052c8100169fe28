import { isIP } from 'node:net'
import { Agent, request, type Dispatcher } from 'undici'
import { concat, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import { parseJson, type JsonValue } from '#kernel/json.ts'
import { mayConnect, type Reach } from './addresses.ts'
import { guardedConnector, systemResolve, type Resolve } from './connector.ts'
import { outboundError } from './errors.ts'

export interface OutboundLimits {
  /** For the whole request, from the name to the last byte. */
  readonly time: Milliseconds
  readonly bytes: number
  readonly depth: number
  readonly atOnce: number
}

export const OUTBOUND_LIMITS: OutboundLimits = { time: 5 * SECOND, bytes: 256 * 1024, depth: 8, atOnce: 16 }

/** Whom a request may reach, and whose certificate it believes. */
export interface Destination {
  readonly url: string
  readonly reach: Reach
  /** PEM of the authorities that the server's certificate must come from; the roots of Node where there are none. */
  readonly ca?: string | undefined
}

/** What is sent, with the headers that it needs besides its type. */
export interface Message {
  readonly type: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

type Ask<Answer> = (url: URL, dispatcher: Dispatcher, signal: AbortSignal) => Promise<Answer>

export interface OutboundOptions {
  readonly limits?: Partial<OutboundLimits>
  readonly resolve?: Resolve
}

const MAX_HEADERS = 16 * 1024

/**
 * The only place from which foreign addresses are fetched: https, checked addresses, no redirection, bounded in time,
 * size and number, strict JSON. Each request has a connection of its own; nothing of it is kept.
 */
export class Outbound {
  readonly #limits: OutboundLimits
  readonly #resolve: Resolve
  #running = 0

  constructor({ limits = {}, resolve = systemResolve }: OutboundOptions = {}) {
    this.#limits = { ...OUTBOUND_LIMITS, ...limits }
    this.#resolve = resolve
  }

  /** @throws OUTBOUND_… */
  async fetchJson(destination: Destination): Promise<JsonValue> {
    return this.#with(destination, async (url, dispatcher, signal) => {
      const headers = { accept: 'application/json', 'user-agent': 'writ' }
      const { statusCode, body } = await request(url, { dispatcher, method: 'GET', headers, signal })
      checkStatus(url, statusCode)
      return this.#parse(url, await this.#read(url, body))
    })
  }

  /**
   * Whether something may be sent there, as far as is known now: what a name leads to is looked at again each time.
   * @throws OUTBOUND_URL_FORBIDDEN, OUTBOUND_ADDRESS_FORBIDDEN, OUTBOUND_UNRESOLVED
   */
  async check({ url: text, reach }: Destination): Promise<void> {
    const { hostname } = permitted(text)
    const literal = hostname.replace(/^\[|\]$/g, '')
    const addresses = isIP(literal) === 0 ? await this.#resolve(hostname) : [{ address: literal }]
    if (addresses.length === 0) throw outboundError('OUTBOUND_UNRESOLVED', { details: { hostname } })
    if (addresses.every(({ address }) => mayConnect(address, reach))) return
    throw outboundError('OUTBOUND_ADDRESS_FORBIDDEN', { details: { hostname } })
  }

  /** Sends what has a type of its own, and answers with the status alone. @throws OUTBOUND_… */
  async post(destination: Destination, message: Message): Promise<number> {
    return this.#with(destination, async (url, dispatcher, signal) => {
      const { type, body: text, headers } = message
      const sent = { ...headers, 'content-type': type, accept: 'application/json', 'user-agent': 'writ' }
      const { statusCode, body } = await request(url, { dispatcher, method: 'POST', headers: sent, body: text, signal })
      if (statusCode >= 300 && statusCode < 400)
        throw outboundError('OUTBOUND_REDIRECTED', { details: { host: url.host } })
      await this.#read(url, body)
      return statusCode
    })
  }

  /** One request, on a connection of its own, of which nothing is kept. */
  async #with<Answer>(destination: Destination, ask: Ask<Answer>): Promise<Answer> {
    const url = permitted(destination.url)
    const { time, atOnce } = this.#limits
    if (this.#running >= atOnce) throw outboundError('OUTBOUND_BUSY')
    this.#running++
    const { reach, ca } = destination
    const connect = guardedConnector({ reach, ca, resolve: this.#resolve, timeout: time })
    const agent = new Agent({ connect, maxHeaderSize: MAX_HEADERS, pipelining: 1 })
    const signal = AbortSignal.timeout(time)
    try {
      return await ask(url, agent, signal)
    } catch (cause) {
      const ours = failureOfOurs(cause)
      if (ours !== null) throw ours
      const code = signal.aborted ? 'OUTBOUND_TOO_SLOW' : 'OUTBOUND_UNREACHABLE'
      throw outboundError(code, { cause, details: { host: url.host, why: reasonOf(cause) } })
    } finally {
      this.#running--
      await agent.destroy()
    }
  }

  async #read(url: URL, body: AsyncIterable<Uint8Array>): Promise<Bytes> {
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of body) {
      length += chunk.length
      if (length > this.#limits.bytes) throw outboundError('OUTBOUND_TOO_LARGE', { details: { host: url.host } })
      chunks.push(chunk)
    }
    return concat(...chunks)
  }

  #parse(url: URL, bytes: Bytes): JsonValue {
    try {
      return parseJson(bytes, { maxBytes: this.#limits.bytes, maxDepth: this.#limits.depth })
    } catch (cause) {
      const why = isWritError(cause) ? cause.code : ''
      throw outboundError('OUTBOUND_NOT_JSON', { cause, details: { host: url.host, why } })
    }
  }
}

function permitted(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol !== 'https:' || url.username + url.password + url.hash !== '') {
    throw outboundError('OUTBOUND_URL_FORBIDDEN')
  }
  return url
}

function checkStatus(url: URL, status: number): void {
  if (status === 200) return
  const code = status >= 300 && status < 400 ? 'OUTBOUND_REDIRECTED' : 'OUTBOUND_REFUSED'
  throw outboundError(code, { details: { host: url.host, status } })
}

/** undici may wrap what the connector refused. */
function failureOfOurs(error: unknown): Error | null {
  if (isWritError(error)) return error
  return error instanceof Error && isWritError(error.cause) ? error.cause : null
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'the connection failed'
}
