import { randomFillSync } from 'node:crypto'
import type { Bytes } from '#kernel/bytes.ts'
import type { Random } from '#kernel/random.ts'

const POOL_BYTES = 4096
const LARGEST_PART = 64

/** The operating system's generator, through OpenSSL. */
export class SystemRandom implements Random {
  readonly #pool = new Uint8Array(POOL_BYTES)
  #used = POOL_BYTES

  /** Small numbers of bytes come from a pool, each once: a call of the generator costs the same for one as for many. */
  bytes(length: number): Bytes {
    if (length > LARGEST_PART) return randomFillSync(new Uint8Array(length))
    if (this.#used + length > POOL_BYTES) {
      randomFillSync(this.#pool)
      this.#used = 0
    }
    const end = this.#used + length
    const bytes = this.#pool.slice(this.#used, end)
    // What was handed out must not lie about in a second place.
    this.#pool.fill(0, this.#used, end)
    this.#used = end
    return bytes
  }
}
