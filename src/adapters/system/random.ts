import { randomFillSync } from 'node:crypto'
import type { Bytes } from '#kernel/bytes.ts'
import type { Random } from '#kernel/random.ts'

/** The operating system's generator, through OpenSSL. */
export class SystemRandom implements Random {
  bytes(length: number): Bytes {
    return randomFillSync(new Uint8Array(length))
  }
}
