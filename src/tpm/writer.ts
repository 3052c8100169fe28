import { concat, type Bytes } from '#kernel/bytes.ts'
import { tpmError } from './errors.ts'

/** The parts of marshalled TPM structures; `concat` of the kernel joins them. */
export function uint8(value: number): Bytes {
  return Uint8Array.of(value)
}

export function uint16(value: number): Bytes {
  const bytes = new Uint8Array(2)
  new DataView(bytes.buffer).setUint16(0, value)
  return bytes
}

export function uint32(value: number): Bytes {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

export function uint64(value: bigint): Bytes {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value)
  return bytes
}

const LONGEST = 0xffff

/** A TPM2B: length and bytes. @throws TPM_TOO_LARGE */
export function sized(...parts: readonly Bytes[]): Bytes {
  const contents = concat(...parts)
  if (contents.length > LONGEST) throw tpmError('TPM_TOO_LARGE', { details: { length: contents.length } })
  return concat(uint16(contents.length), contents)
}
