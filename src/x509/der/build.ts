import { concat, type Bytes } from '#kernel/bytes.ts'
import { encodeOid } from './oid.ts'
import { TAG } from './tags.ts'

/** One element of given contents: for structures that are made once, not per certificate. */
export function tlv(tag: number, ...contents: readonly Bytes[]): Bytes {
  const length = contents.reduce((sum, part) => sum + part.length, 0)
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest & 0xff)
  const header = length < 0x80 ? [tag, length] : [tag, 0x80 | octets.length, ...octets]
  return concat(new Uint8Array(header), ...contents)
}

export function sequence(...elements: readonly Bytes[]): Bytes {
  return tlv(TAG.sequence, ...elements)
}

export function oidElement(text: string): Bytes {
  return tlv(TAG.oid, encodeOid(text))
}

/** BIT STRING of whole octets. */
export function bitsElement(octets: Bytes): Bytes {
  return tlv(TAG.bitString, new Uint8Array([0]), octets)
}

/** INTEGER of a magnitude; a sign octet is added where the first bit is set. */
export function unsignedElement(magnitude: Bytes): Bytes {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++
  const octets = magnitude.subarray(start)
  const signed = octets.length === 0 || (octets[0] ?? 0) >= 0x80
  return tlv(TAG.integer, new Uint8Array(signed ? [0] : []), octets)
}
