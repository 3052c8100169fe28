import type { Bytes } from '#kernel/bytes.ts'
import { x509Error } from '../errors.ts'
import { OID } from '../oids.ts'
import { numberOf } from './number.ts'

/** A short Weierstrass curve y² = x³ - 3x + b over a prime field (SEC 2, FIPS 186-5). */
export interface Curve {
  readonly name: 'P-256' | 'P-384'
  readonly size: number
  readonly prime: bigint
  readonly b: bigint
}

const P256: Curve = {
  name: 'P-256',
  size: 32,
  prime: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
}

const P384: Curve = {
  name: 'P-384',
  size: 48,
  prime: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
  b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
}

/** The curve of a named-curve identifier. @throws KEY_CURVE_UNSUPPORTED */
export function curveOf(oid: string): Curve {
  if (oid === OID.curveP256) return P256
  if (oid === OID.curveP384) return P384
  throw x509Error('KEY_CURVE_UNSUPPORTED', { details: { curve: oid } })
}

export interface Point {
  readonly x: Bytes
  readonly y: Bytes
}

/**
 * An uncompressed point (SEC 1 section 2.3.3) that is on its curve. Both curves have cofactor 1, so a point on the
 * curve other than infinity, which has no such form, has the full order.
 * @throws KEY_POINT_COMPRESSED, KEY_POINT_INVALID
 */
export function readPoint(curve: Curve, octets: Bytes): Point {
  if (octets[0] === 2 || octets[0] === 3) throw x509Error('KEY_POINT_COMPRESSED')
  if (octets[0] !== 4 || octets.length !== 1 + 2 * curve.size) throw x509Error('KEY_POINT_INVALID')
  const point = { x: octets.subarray(1, 1 + curve.size), y: octets.subarray(1 + curve.size) }
  if (!isOnCurve(curve, numberOf(point.x), numberOf(point.y))) throw x509Error('KEY_POINT_INVALID')
  return point
}

function isOnCurve({ prime, b }: Curve, x: bigint, y: bigint): boolean {
  if (x >= prime || y >= prime) return false
  return (y * y - (x * x * x - 3n * x + b)) % prime === 0n
}
