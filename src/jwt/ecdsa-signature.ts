import type { Bytes } from '#kernel/bytes.ts'
import { jwtError } from './errors.ts'

const SEQUENCE = 0x30
const INTEGER = 0x02

/**
 * DER Ecdsa-Sig-Value (RFC 3279 section 2.2.3) to the r‖s of RFC 7518 section 3.4. node:crypto could write r‖s itself,
 * at less than half the speed.
 * @throws JWT_SIGNATURE_FORM unless it is strict DER with two positive integers of at most `size` bytes
 */
export function derToJose(der: Bytes, size: number): Bytes {
  const body = der[1] === 0x81 ? 3 : 2
  const length = der[body - 1] ?? 0
  const minimal = length < 0x80 === (body === 2)
  if (der[0] !== SEQUENCE || !minimal || length !== der.length - body) throw jwtError('JWT_SIGNATURE_FORM')
  const joined = new Uint8Array(2 * size)
  const middle = copyInteger(der, body, joined.subarray(0, size))
  const end = copyInteger(der, middle, joined.subarray(size))
  if (end !== der.length) throw jwtError('JWT_SIGNATURE_FORM')
  return joined
}

/** Copies the INTEGER at `offset` right-aligned into `target` and returns where it ends. */
function copyInteger(der: Bytes, offset: number, target: Bytes): number {
  const [tag, length = 0] = der.subarray(offset, offset + 2)
  const start = offset + 2
  const octets = der.subarray(start, start + length)
  if (tag !== INTEGER || length === 0 || length > 0x7f || octets.length !== length) throw jwtError('JWT_SIGNATURE_FORM')
  const magnitude = magnitudeOf(octets)
  if (magnitude.length > target.length) throw jwtError('JWT_SIGNATURE_FORM')
  target.set(magnitude, target.length - magnitude.length)
  return start + length
}

/** The value without its sign octet, which must be there exactly where the next bit is set. */
function magnitudeOf(octets: Bytes): Bytes {
  const [first = 0, second = 0] = octets
  if (first >= 0x80) throw jwtError('JWT_SIGNATURE_FORM')
  if (first !== 0 || octets.length === 1) return octets
  if (second < 0x80) throw jwtError('JWT_SIGNATURE_FORM')
  return octets.subarray(1)
}

/** @throws JWT_SIGNATURE_FORM unless there are exactly 2 × `size` bytes */
export function joseToDer(signature: Bytes, size: number): Bytes {
  if (signature.length !== 2 * size) throw jwtError('JWT_SIGNATURE_FORM')
  const [left, right] = [magnitude(signature.subarray(0, size)), magnitude(signature.subarray(size))]
  const length = integerLength(left) + integerLength(right)
  const header = length < 0x80 ? 2 : 3
  const der = new Uint8Array(header + length)
  der.set(length < 0x80 ? [SEQUENCE, length] : [SEQUENCE, 0x81, length])
  writeInteger(der, header + integerLength(left), right)
  writeInteger(der, header, left)
  return der
}

/** Without leading zeros; zero itself keeps one. */
function magnitude(value: Bytes): Bytes {
  let start = 0
  while (start < value.length - 1 && value[start] === 0) start++
  return value.subarray(start)
}

function signOctets(value: Bytes): number {
  return (value[0] ?? 0) >= 0x80 ? 1 : 0
}

function integerLength(value: Bytes): number {
  return 2 + signOctets(value) + value.length
}

function writeInteger(target: Bytes, offset: number, value: Bytes): void {
  target[offset] = INTEGER
  target[offset + 1] = signOctets(value) + value.length
  target.set(value, offset + 2 + signOctets(value))
}
