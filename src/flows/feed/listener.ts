import { feedError } from './errors.ts'
import { concerns, type Frame } from './frame.ts'

/** What happened at one position; nothing of it may concern the listener, who still looks whether it may go on. */
export interface Batch {
  readonly position: number
  readonly frames: readonly Frame[]
}

/**
 * Characters that wait for a reader who is slow; one who is slower is cut off. What is of one event alone may be more:
 * all readers share it, and whoever came back would be given the same.
 */
export const MOST_WAITING = 1024 * 1024

/** The queue of one stream. */
export class Listener {
  readonly #audiences: ReadonlySet<string>
  /** What there was up to here the stream finds by itself. */
  readonly since: number
  #waiting: Batch[] = []
  #length = 0
  #isEnded = false
  #isTooSlow = false
  #wake: (() => void) | null = null

  constructor(audiences: ReadonlySet<string>, since: number) {
    this.#audiences = audiences
    this.since = since
  }

  hand({ position, frames }: Batch): void {
    if (this.#isEnded) return
    const own = frames.filter((one) => concerns(one, this.#audiences))
    const last = this.#waiting.at(-1)
    // Whoever only looks whether it may go on does it once for all that has happened.
    if (own.length === 0 && last?.frames.length === 0)
      this.#waiting[this.#waiting.length - 1] = { position, frames: [] }
    else this.#waiting.push({ position, frames: own })
    const before = this.#length
    this.#length += own.reduce((sum, { text }) => sum + text.length, 0)
    if (before > 0 && this.#length > MOST_WAITING) this.#overflow()
    this.#wake?.()
  }

  end(): void {
    this.#isEnded = true
    this.#wake?.()
  }

  /** What comes next, waiting for it; null at the end. @throws FEED_TOO_SLOW when more waited than may */
  async next(): Promise<readonly Batch[] | null> {
    while (this.#waiting.length === 0 && !this.#isEnded) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = null
    }
    if (this.#isTooSlow) throw feedError('FEED_TOO_SLOW')
    if (this.#isEnded) return null
    const batches = this.#waiting
    this.#waiting = []
    this.#length = 0
    return batches
  }

  #overflow(): void {
    this.#isTooSlow = true
    this.#isEnded = true
    this.#waiting = []
  }
}
