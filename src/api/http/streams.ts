import type { ServerResponse } from 'node:http'
import { SECOND } from '#kernel/instant.ts'
import { httpError } from './errors.ts'
import type { Stream } from './route.ts'

export interface StreamLimits {
  /** Open at once for one caller. */
  readonly identity: number
  readonly all: number
}

/** A reader who takes nothing for this long is gone, or no use to anybody. */
const STALLED = 15 * SECOND

/** The answers that go on: how many there may be, and the end of all of them. */
export class Streams {
  readonly #limits: StreamLimits
  readonly #onEnter: (response: ServerResponse) => void
  readonly #open = new Map<ServerResponse, AbortController>()
  readonly #callers = new Map<string, number>()
  #isStopping = false

  /** `onEnter` hears of each answer that is a request at work no more. */
  constructor(limits: StreamLimits, onEnter: (response: ServerResponse) => void) {
    this.#limits = limits
    this.#onEnter = onEnter
  }

  /** Takes a place until the answer is over; aborted then, or when the server stops. @throws STREAMS_EXHAUSTED */
  enter(caller: string, response: ServerResponse): AbortSignal {
    const own = this.#callers.get(caller) ?? 0
    if (own >= this.#limits.identity || this.#open.size >= this.#limits.all) throw httpError('STREAMS_EXHAUSTED')
    const controller = new AbortController()
    this.#open.set(response, controller)
    this.#callers.set(caller, own + 1)
    response.once('close', () => {
      this.#leave(caller, response)
    })
    if (response.destroyed || this.#isStopping) controller.abort()
    this.#onEnter(response)
    return controller.signal
  }

  stop(): void {
    this.#isStopping = true
    for (const controller of this.#open.values()) controller.abort()
  }

  #leave(caller: string, response: ServerResponse): void {
    this.#open.get(response)?.abort()
    this.#open.delete(response)
    const rest = (this.#callers.get(caller) ?? 1) - 1
    if (rest === 0) this.#callers.delete(caller)
    else this.#callers.set(caller, rest)
  }
}

/**
 * Sends a body as it is made, no faster than it is read, and ends the connection with it: the next request is another
 * handshake. @throws STREAM_STALLED, and what making it throws
 */
export async function sendStream(response: ServerResponse, { chunks }: Stream): Promise<void> {
  response.flushHeaders()
  for await (const chunk of chunks) {
    if (response.destroyed) return
    if (!response.write(chunk)) await drained(response)
  }
  response.end()
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => (): void => {
      clearTimeout(timer)
      response.removeListener('drain', go)
      response.removeListener('close', go)
      then()
    }
    const go = settle(resolve)
    const timer = setTimeout(
      settle(() => {
        reject(httpError('STREAM_STALLED'))
      }),
      STALLED,
    )
    response.once('drain', go)
    response.once('close', go)
  })
}
