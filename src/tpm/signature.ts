import { constants, verify } from 'node:crypto'
import { concat, type Bytes } from '#kernel/bytes.ts'
import { readHash, TPM_CURVES, type TpmHash } from './algorithms.ts'
import type { TpmEccPublic, TpmPublic, TpmRsaPublic } from './public-area.ts'
import { keyObjectOf, leftPad } from './public-key.ts'
import { readWhole, type TpmReader } from './reader.ts'
import { schemeNamed } from './schemes.ts'

export interface TpmRsaSignature {
  readonly scheme: 'rsassa' | 'rsapss'
  readonly hash: TpmHash
  readonly signature: Bytes
}

export interface TpmEcdsaSignature {
  readonly scheme: 'ecdsa'
  readonly hash: TpmHash
  readonly r: Bytes
  readonly s: Bytes
}

/** A TPMT_SIGNATURE (TPM 2.0 Library, Part 2, 11.3.4). */
export type TpmSignature = TpmRsaSignature | TpmEcdsaSignature

const MAX_RSA_BYTES = 512
const MAX_ECC_BYTES = 48
const MAX_SIGNATURE_BYTES = 1024

/** @throws TPM_ALGORITHM_UNSUPPORTED, TPM_HASH_WEAK, TPM_TRUNCATED, TPM_TRAILING_BYTES, TPM_TOO_LARGE */
export function parseSignature(bytes: Bytes): TpmSignature {
  return readWhole(bytes, readSignature, MAX_SIGNATURE_BYTES)
}

/** The same inside of a response. @throws as `parseSignature` */
export function readSignature(reader: TpmReader): TpmSignature {
  const scheme = schemeNamed(reader.uint16())
  const hash = readHash(reader)
  if (scheme !== 'ecdsa') return { scheme, hash, signature: reader.sized(MAX_RSA_BYTES) }
  return { scheme, hash, r: reader.sized(MAX_ECC_BYTES), s: reader.sized(MAX_ECC_BYTES) }
}

/** Whether the key has signed the message, in the scheme that it is bound to, if it is. */
export function verifySignature(key: TpmPublic, message: Bytes, signature: TpmSignature): boolean {
  const { scheme } = key
  if (scheme !== null && (scheme.name !== signature.scheme || scheme.hash !== signature.hash)) return false
  if (signature.scheme === 'ecdsa') return key.type === 'ecc' && verifyEcdsa(key, message, signature)
  return key.type === 'rsa' && verifyRsa(key, message, signature)
}

function verifyEcdsa(key: TpmEccPublic, message: Bytes, { hash, r, s }: TpmEcdsaSignature): boolean {
  const { size } = TPM_CURVES[key.curve]
  if (r.length > size || s.length > size) return false
  const pair = concat(leftPad(r, size), leftPad(s, size))
  return verify(hash, message, { key: keyObjectOf(key), dsaEncoding: 'ieee-p1363' }, pair)
}

/** TPMs salt with the digest's length or with all the room there is. */
function verifyRsa(key: TpmRsaPublic, message: Bytes, { scheme, hash, signature }: TpmRsaSignature): boolean {
  if (signature.length !== key.modulus.length) return false
  const padding =
    scheme === 'rsapss'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }
      : { padding: constants.RSA_PKCS1_PADDING }
  return verify(hash, message, { key: keyObjectOf(key), ...padding }, signature)
}
