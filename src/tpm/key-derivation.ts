import { createHmac } from 'node:crypto'
import { concat, utf8, type Bytes } from '#kernel/bytes.ts'
import { digestOf, TPM_HASHES, type TpmHash } from './algorithms.ts'
import { uint32 } from './writer.ts'

export interface Kdfa {
  readonly hash: TpmHash
  readonly key: Bytes
  readonly label: string
  readonly contextU: Bytes
  readonly contextV: Bytes
  /** A multiple of 8. */
  readonly bits: number
}

/** KDFa: SP 800-108 in counter mode with HMAC; the label's NUL is hashed too (TPM 2.0 Library, Part 1, 11.4.10.2). */
export function kdfa({ hash, key, label, contextU, contextV, bits }: Kdfa): Bytes {
  const context = [utf8(`${label}\0`), contextU, contextV, uint32(bits)]
  return counted(hash, bits, (counter) => hmacOf(hash, key, counter, ...context))
}

export interface Kdfe {
  readonly hash: TpmHash
  /** The x-coordinate that both sides have come to, in the field's size. */
  readonly z: Bytes
  readonly label: string
  readonly partyU: Bytes
  readonly partyV: Bytes
  /** A multiple of 8. */
  readonly bits: number
}

/** KDFe: SP 800-56A's concatenation KDF (TPM 2.0 Library, Part 1, 11.4.10.3). */
export function kdfe({ hash, z, label, partyU, partyV, bits }: Kdfe): Bytes {
  return counted(hash, bits, (counter) => digestOf(hash, counter, z, utf8(`${label}\0`), partyU, partyV))
}

function counted(hash: TpmHash, bits: number, block: (counter: Bytes) => Bytes): Bytes {
  const blocks = Math.ceil(bits / 8 / TPM_HASHES[hash].digest)
  const all = Array.from({ length: blocks }, (_, index) => block(uint32(index + 1)))
  return concat(...all).slice(0, bits / 8)
}

export function hmacOf(hash: TpmHash, key: Bytes, ...parts: readonly Bytes[]): Bytes {
  const state = createHmac(hash, key)
  for (const part of parts) state.update(part)
  return new Uint8Array(state.digest())
}
