import type { Bytes } from '#kernel/bytes.ts'
import { derFault } from './fault.ts'

/** No registered identifier comes near; it bounds the arithmetic on hostile ones. */
const MAX_OID_BYTES = 64

/** An arc below this grows by one more octet and is still an exact number. */
const LARGE_ARC = 2 ** 45

/**
 * The dotted form of an object identifier's contents octets. Arcs may be of any size (2.25 has 128-bit ones), and two
 * different ones must not round to one: large arcs are counted exactly.
 * @throws DER_OID
 */
export function decodeOid(octets: Bytes, offset = 0): string {
  const last = octets[octets.length - 1]
  if (last === undefined || (last & 0x80) !== 0 || octets.length > MAX_OID_BYTES) throw derFault('DER_OID', offset)
  const text = smallArcs(octets) ?? largeArcs(octets)
  if (text === undefined) throw derFault('DER_OID', offset)
  return text
}

/** Undefined when an arc is large or padded. */
function smallArcs(octets: Bytes): string | undefined {
  let text = ''
  let arc = 0
  for (const octet of octets) {
    if ((arc === 0 && octet === 0x80) || arc >= LARGE_ARC) return undefined
    arc = arc * 128 + (octet & 0x7f)
    if ((octet & 0x80) !== 0) continue
    text += text === '' ? firstArcs(arc) : `.${String(arc)}`
    arc = 0
  }
  return text
}

function firstArcs(arc: number): string {
  const root = Math.min(Math.floor(arc / 40), 2)
  return `${String(root)}.${String(arc - root * 40)}`
}

/** Undefined when an arc is padded. */
function largeArcs(octets: Bytes): string | undefined {
  const arcs: bigint[] = []
  let arc = 0n
  for (const octet of octets) {
    if (arc === 0n && octet === 0x80) return undefined
    arc = arc * 128n + BigInt(octet & 0x7f)
    if ((octet & 0x80) !== 0) continue
    arcs.push(arc)
    arc = 0n
  }
  const [first = 0n, ...rest] = arcs
  const root = first < 80n ? first / 40n : 2n
  return [root, first - root * 40n, ...rest].join('.')
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
