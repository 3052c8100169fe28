import { createHash } from 'node:crypto'
import type { Bytes } from '#kernel/bytes.ts'
import type { Random } from '#kernel/random.ts'

/** The same bytes in every run, different ones in every call: SHA-256 of the seed and a counter. */
export class FakeRandom implements Random {
  readonly #seed: string
  #counter = 0

  constructor(seed = 'writ') {
    this.#seed = seed
  }

  bytes(length: number): Bytes {
    const bytes = new Uint8Array(length)
    for (let offset = 0; offset < length; offset += 32) {
      const block = createHash('sha256')
        .update(`${this.#seed}:${String(this.#counter++)}`)
        .digest()
      bytes.set(block.subarray(0, Math.min(32, length - offset)), offset)
    }
    return bytes
  }
}
