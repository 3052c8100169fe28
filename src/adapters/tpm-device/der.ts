import { concat, type Bytes } from '#kernel/bytes.ts'

/** One DER element of at most 65,535 bytes. */
export function der(tag: number, ...contents: readonly Bytes[]): Bytes {
  const content = concat(...contents)
  const { length } = content
  if (length < 0x80) return concat(Uint8Array.of(tag, length), content)
  if (length < 0x100) return concat(Uint8Array.of(tag, 0x81, length), content)
  return concat(Uint8Array.of(tag, 0x82, length >>> 8, length & 0xff), content)
}

/** INTEGER from an unsigned big-endian number. */
export function derInteger(number: Bytes): Bytes {
  const start = number.findIndex((byte) => byte !== 0)
  const significant = start === -1 ? Uint8Array.of(0) : number.slice(start)
  return (significant[0] ?? 0) >= 0x80 ? der(0x02, Uint8Array.of(0), significant) : der(0x02, significant)
}
