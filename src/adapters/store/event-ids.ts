import { newId } from '#kernel/ids.ts'
import { instant, type Instant } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'

/** What fits between the time and the random bits of a UUIDv7 (RFC 9562 section 6.2, method 1). */
const MOST_IN_A_MILLISECOND = 4096

/**
 * Ids of events that sort as this replica wrote them, also within a millisecond and when the clock steps back: positions
 * are given in their order, and of two changes of one thing the last one has to stay the last.
 */
export class EventIds {
  readonly #random: Random
  #time = instant(0)
  #count = 0

  constructor(random: Random) {
    this.#random = random
  }

  next(at: Instant): string {
    this.#count = at > this.#time ? 0 : this.#count + 1
    this.#time = instant(Math.max(at, this.#time))
    if (this.#count === MOST_IN_A_MILLISECOND) {
      this.#count = 0
      this.#time = instant(this.#time + 1)
    }
    return newId('event', this.#time, { bytes: (length) => this.#counted(length) })
  }

  #counted(length: number): Uint8Array {
    const bytes = Uint8Array.from(this.#random.bytes(length))
    bytes[0] = this.#count >> 8
    bytes[1] = this.#count & 0xff
    return bytes
  }
}
