import type { Bytes } from '#kernel/bytes.ts'
import { derFault, refuseAs } from '../der/fault.ts'
import { DerReader } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'
import { x509Error } from '../errors.ts'
import { bitLength, numberOf } from './number.ts'
import { isFactorable } from './rsa-weakness.ts'

const MIN_BITS = 2048
const MAX_BITS = 8192
const MAX_EXPONENT = 0xffff_ffff

export interface RsaKey {
  readonly modulus: Bytes
  readonly exponent: number
  readonly bits: number
}

/**
 * RSAPublicKey (RFC 8017 appendix A.1.1) of a size that may be computed with. Sizes are judged before any arithmetic.
 * @throws KEY_MALFORMED, KEY_RSA_TOO_SMALL, KEY_RSA_TOO_LARGE, KEY_RSA_EXPONENT, KEY_RSA_WEAK
 */
export function readRsaKey(octets: Bytes): RsaKey {
  const { modulus, exponentOctets } = refuseAs('KEY_MALFORMED', () => readStructure(octets))
  const bits = bitLength(modulus)
  if (bits < MIN_BITS) throw x509Error('KEY_RSA_TOO_SMALL', { details: { bits } })
  if (bits > MAX_BITS) throw x509Error('KEY_RSA_TOO_LARGE', { details: { bits } })
  const exponent = exponentOctets.length > 4 ? 0 : Number(numberOf(exponentOctets))
  if (exponent < 3 || exponent > MAX_EXPONENT || exponent % 2 === 0) throw x509Error('KEY_RSA_EXPONENT')
  if (isFactorable(numberOf(modulus))) throw x509Error('KEY_RSA_WEAK')
  return { modulus, exponent, bits }
}

function readStructure(octets: Bytes): { modulus: Bytes; exponentOctets: Bytes } {
  const outer = DerReader.of(octets)
  const key = outer.enter(TAG.sequence)
  const start = key.offset
  const modulus = key.unsigned()
  const exponentOctets = key.unsigned()
  key.finish()
  outer.finish()
  if (modulus[0] === 0) throw derFault('DER_INTEGER', start)
  return { modulus, exponentOctets }
}
