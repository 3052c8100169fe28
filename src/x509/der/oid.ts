import type { Bytes } from '#kernel/bytes.ts'
import { derFault } from './fault.ts'

/** No registered identifier comes near; it bounds the arithmetic on hostile ones. */
const MAX_OID_BYTES = 64

/**
 * The dotted form of an object identifier's contents octets. Arcs may be of any size (2.25 has 128-bit ones), which is
 * why they are not numbers: two different arcs must not round to one.
 * @throws DER_OID
 */
export function decodeOid(octets: Bytes, offset = 0): string {
  const last = octets[octets.length - 1]
  if (last === undefined || (last & 0x80) !== 0 || octets.length > MAX_OID_BYTES) throw derFault('DER_OID', offset)
  let text = ''
  let arc = 0
  let large = 0n
  let arcStart = true
  for (const octet of octets) {
    if (arcStart && octet === 0x80) throw derFault('DER_OID', offset)
    if (arc > 0xffff_ffff && large === 0n) large = BigInt(arc)
    if (large === 0n) arc = arc * 128 + (octet & 0x7f)
    else large = large * 128n + BigInt(octet & 0x7f)
    arcStart = (octet & 0x80) === 0
    if (!arcStart) continue
    text += text === '' ? firstArcs(arc, large) : `.${String(large === 0n ? arc : large)}`
    arc = 0
    large = 0n
  }
  return text
}

function firstArcs(arc: number, large: bigint): string {
  if (large !== 0n) return `2.${String(large - 80n)}`
  const root = Math.min(Math.floor(arc / 40), 2)
  return `${String(root)}.${String(arc - root * 40)}`
}

const DOTTED = /^[0-2](\.(0|[1-9]\d{0,38}))+$/

/** The contents octets of a dotted object identifier. @throws DER_OID */
export function encodeOid(text: string): Bytes {
  if (!DOTTED.test(text)) throw derFault('DER_OID', 0)
  const [root = 0n, second = 0n, ...rest] = text.split('.').map(BigInt)
  if (root < 2n && second > 39n) throw derFault('DER_OID', 0)
  return new Uint8Array([root * 40n + second, ...rest].flatMap(base128))
}

function base128(arc: bigint): number[] {
  const octets = [Number(arc & 0x7fn)]
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80)
  return octets
}
