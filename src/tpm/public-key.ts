import { createPublicKey, type KeyObject } from 'node:crypto'
import { toBase64Url, type Bytes } from '#kernel/bytes.ts'
import { TPM_CURVES } from './algorithms.ts'
import { tpmError } from './errors.ts'
import type { TpmEccPublic, TpmPublic, TpmRsaPublic } from './public-area.ts'
import { uint32 } from './writer.ts'

const USUAL_EXPONENT = 65_537

/** What node:crypto computes with. @throws TPM_KEY_INVALID, for a point that is not on its curve */
export function keyObjectOf(area: TpmPublic): KeyObject {
  try {
    return createPublicKey({ key: area.type === 'rsa' ? rsaJwk(area) : eccJwk(area), format: 'jwk' })
  } catch (cause) {
    throw tpmError('TPM_KEY_INVALID', { cause })
  }
}

/** DER SubjectPublicKeyInfo, as certificates and certificate requests have it. @throws TPM_KEY_INVALID */
export function spkiOf(area: TpmPublic): Bytes {
  return new Uint8Array(keyObjectOf(area).export({ type: 'spki', format: 'der' }))
}

function rsaJwk({ exponent, modulus }: TpmRsaPublic): Readonly<Record<string, string>> {
  const bytes = uint32(exponent === 0 ? USUAL_EXPONENT : exponent)
  return { kty: 'RSA', n: toBase64Url(modulus), e: toBase64Url(bytes.slice(bytes.findIndex((byte) => byte !== 0))) }
}

function eccJwk({ curve, x, y }: TpmEccPublic): Readonly<Record<string, string>> {
  const { size } = TPM_CURVES[curve]
  return { kty: 'EC', crv: curve, x: toBase64Url(leftPad(x, size)), y: toBase64Url(leftPad(y, size)) }
}

/** The same number in `size` bytes. */
export function leftPad(bytes: Bytes, size: number): Bytes {
  if (bytes.length >= size) return bytes
  const padded = new Uint8Array(size)
  padded.set(bytes, size - bytes.length)
  return padded
}
