import { toHex, type Bytes } from '#kernel/bytes.ts'

/** The unsigned number that big-endian octets spell. */
export function numberOf(octets: Bytes): bigint {
  return octets.length === 0 ? 0n : BigInt(`0x${toHex(octets)}`)
}

/** How many bits a big-endian magnitude without leading zero octets has. */
export function bitLength(magnitude: Bytes): number {
  const first = magnitude[0] ?? 0
  return magnitude.length === 0 ? 0 : magnitude.length * 8 - (Math.clz32(first) - 24)
}

/** The largest number whose square is not above `value`. */
export function squareRoot(value: bigint): bigint {
  if (value < 2n) return value
  let root = 1n << BigInt((value.toString(2).length + 1) >> 1)
  for (;;) {
    const next = (root + value / root) >> 1n
    if (next >= root) return root
    root = next
  }
}
