import { now } from './recorder.ts'
import type { SoakServer } from './server.ts'

const EVERY = 100
const ASKS_EVERY = 500
/** What takes longer is worth a line. */
const LONG = 1000

export interface Pulse {
  /** The longest that the process of the services stood still, and the longest answer of a server; milliseconds. */
  readonly longestStall: number
  readonly longestAnswer: number
  /** Each one that took long, when, and what the feed of a service broke off with: for whoever asks why something was late. */
  readonly notes: readonly string[]
}

/** Feels how the machine is: on one that stands still everything is late, whatever is right. */
export class PulseTaker {
  readonly #notes: string[] = []
  readonly #timers: readonly NodeJS.Timeout[]
  readonly #server: SoakServer
  #longestStall = 0
  #longestAnswer = 0
  #isAsking = false

  constructor(server: SoakServer) {
    this.#server = server
    let due = performance.now() + EVERY
    const feel = setInterval(() => {
      this.#stalled(performance.now() - due)
      due = performance.now() + EVERY
    }, EVERY)
    const ask = setInterval(() => void this.#ask(), ASKS_EVERY)
    this.#timers = [feel, ask]
  }

  note(what: string): void {
    this.#notes.push(`${new Date(now()).toISOString().slice(11, 23)} ${what}`)
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }

  get taken(): Pulse {
    return {
      longestStall: Math.round(this.#longestStall),
      longestAnswer: Math.round(this.#longestAnswer),
      notes: this.#notes,
    }
  }

  #stalled(length: number): void {
    this.#longestStall = Math.max(this.#longestStall, length)
    if (length >= LONG) this.note(`the process of the services stood still for ${length.toFixed(0)} ms`)
  }

  /** One after the other, of the first server. */
  async #ask(): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    const began = performance.now()
    await this.#server.admin('GET', '/bundle').catch(() => undefined)
    const length = performance.now() - began
    this.#longestAnswer = Math.max(this.#longestAnswer, length)
    if (length >= LONG) this.note(`the server took ${length.toFixed(0)} ms to answer`)
    this.#isAsking = false
  }
}
