/** What the soak counts, and what went wrong first. */
export interface Figures {
  readonly handshakes: number
  readonly failedHandshakes: number
  readonly calls: number
  /** A call to the server or a peer that failed though nothing was wrong with it. */
  readonly failedCalls: number
  readonly tokensAccepted: number
  readonly validRefused: number
  readonly invalidTried: number
  readonly invalidAccepted: number
}

const MOST_EXAMPLES = 10

export class Counters {
  readonly examples: string[] = []
  readonly #figures: Record<keyof Figures, number> = {
    handshakes: 0,
    failedHandshakes: 0,
    calls: 0,
    failedCalls: 0,
    tokensAccepted: 0,
    validRefused: 0,
    invalidTried: 0,
    invalidAccepted: 0,
  }

  get figures(): Figures {
    return { ...this.#figures }
  }

  get isClean(): boolean {
    const { failedHandshakes, failedCalls, validRefused, invalidAccepted } = this.#figures
    return failedHandshakes + failedCalls + validRefused + invalidAccepted === 0
  }

  count(what: keyof Figures): void {
    this.#figures[what] += 1
  }

  /** The same for what must not happen, with a word about it. */
  wrong(what: keyof Figures, why: string): void {
    this.count(what)
    if (this.examples.length < MOST_EXAMPLES) this.examples.push(`${what}: ${why}`)
  }
}
