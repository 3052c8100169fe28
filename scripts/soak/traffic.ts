import type { Agent } from 'undici'
import { isWritError } from '#kernel/errors.ts'
import { callPeer, type SoakAgent } from './agent.ts'
import type { Counters } from './counters.ts'

const PAUSE = 1_000
/** How long a connection that lasts is used, one call after the other. */
const LASTS = 10_000

/** Every agent talks to another one all the time: over a new connection, over one that lasts, and with a task token. */
export class Traffic {
  readonly #agents: readonly SoakAgent[]
  readonly #counters: Counters
  readonly #running: Promise<unknown>
  #stopped = false

  constructor(agents: readonly SoakAgent[], counters: Counters) {
    this.#agents = agents
    this.#counters = counters
    this.#running = Promise.all(
      agents.flatMap((agent) => [
        this.#again(agent, (peer) => this.#briefly(agent, peer)),
        this.#again(agent, (peer) => this.#lastingly(agent, peer)),
        this.#again(agent, (peer) => this.#forTask(agent, peer)),
      ]),
    )
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #again(agent: SoakAgent, talk: (peer: SoakAgent) => Promise<void>): Promise<void> {
    await pause(Math.random() * PAUSE)
    while (!this.#stopped) {
      const others = this.#agents.filter((one) => one !== agent)
      const peer = others[Math.floor(Math.random() * others.length)]
      if (peer !== undefined) {
        await talk(peer).catch((error: unknown) => {
          this.#failed(error)
        })
      }
      await pause(PAUSE * (0.5 + Math.random()))
    }
  }

  async #briefly(agent: SoakAgent, peer: SoakAgent): Promise<void> {
    const over = agent.connect()
    try {
      await this.#call(over, peer)
      this.#counters.count('handshakes')
    } finally {
      await over.close()
    }
  }

  async #lastingly(agent: SoakAgent, peer: SoakAgent): Promise<void> {
    const over = agent.connect()
    const end = performance.now() + LASTS
    try {
      while (!this.#stopped && performance.now() < end) {
        await this.#call(over, peer)
        await pause(PAUSE)
      }
      this.#counters.count('handshakes')
    } finally {
      await over.close()
    }
  }

  async #call(over: Agent, peer: SoakAgent): Promise<void> {
    const status = await callPeer(over, peer.url)
    if (status === 200) this.#counters.count('calls')
    else this.#counters.wrong('failedHandshakes', `a peer refused a certificate that is good: ${String(status)}`)
  }

  async #forTask(agent: SoakAgent, peer: SoakAgent): Promise<void> {
    const { token } = await agent.newToken()
    const answer = await agent.live.fetch(`${peer.url}/task`, token)
    const text = await answer.text()
    if (answer.status === 200) this.#counters.count('tokensAccepted')
    else this.#counters.wrong('validRefused', `${String(answer.status)} ${text}`)
  }

  #failed(error: unknown): void {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    const ofHandshake = isWritError(cause, 'SERVER_NOT_TRUSTED', 'SERVER_NAME_MISMATCH', 'SERVER_UNREACHABLE')
    const why = isWritError(cause) ? `${cause.code} ${cause.message} ${JSON.stringify(cause.details)}` : String(cause)
    this.#counters.wrong(ofHandshake || !isWritError(cause) ? 'failedHandshakes' : 'failedCalls', why)
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
