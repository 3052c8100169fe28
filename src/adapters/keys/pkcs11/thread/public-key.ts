import { createPublicKey, type KeyObject } from 'node:crypto'
import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import { equal, fromHex, type Bytes } from '#kernel/bytes.ts'
import { attribute } from './module.ts'

interface Curve {
  readonly algorithm: SignatureAlgorithm
  readonly crv: string
  /** Of a coordinate, in octets. */
  readonly size: number
  /** DER of the named curve, as CKA_EC_PARAMS has it. */
  readonly parameters: Bytes
}

export const CURVES: readonly Curve[] = [
  { algorithm: 'ES256', crv: 'P-256', size: 32, parameters: fromHex('06082a8648ce3d030107') },
  { algorithm: 'ES384', crv: 'P-384', size: 48, parameters: fromHex('06052b81040022') },
]

const UNCOMPRESSED = 0x04
const OCTET_STRING = 0x04

export interface PublicHalf {
  readonly algorithm: SignatureAlgorithm
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Bytes
}

/** Null for a key of a kind that is not accepted. */
export function readPublicKey(module: PKCS11, session: Handle, object: Handle): PublicHalf | null {
  const type = attribute(module, session, object, pkcs11.CKA_KEY_TYPE)?.readUInt32LE(0)
  if (type === pkcs11.CKK_EC) return readPoint(module, session, object)
  if (type === pkcs11.CKK_RSA) return readModulus(module, session, object)
  return null
}

function readPoint(module: PKCS11, session: Handle, object: Handle): PublicHalf | null {
  const parameters = attribute(module, session, object, pkcs11.CKA_EC_PARAMS)
  const curve = parameters === null ? undefined : CURVES.find((one) => equal(one.parameters, parameters))
  const encoded = attribute(module, session, object, pkcs11.CKA_EC_POINT)
  if (curve === undefined || encoded === null) return null
  const point = uncompressed(encoded, curve.size)
  if (point === null) return null
  const [x, y] = [point.subarray(1, 1 + curve.size), point.subarray(1 + curve.size)]
  return half(curve.algorithm, { kty: 'EC', crv: curve.crv, x: x.toString('base64url'), y: y.toString('base64url') })
}

/** The standard wraps the point into an OCTET STRING; some modules give it bare. */
function uncompressed(encoded: Buffer, size: number): Buffer | null {
  const length = 1 + 2 * size
  const isWrapped = encoded.length === length + 2 && encoded[0] === OCTET_STRING && encoded[1] === length
  const point = isWrapped ? encoded.subarray(2) : encoded
  return point.length === length && point[0] === UNCOMPRESSED ? point : null
}

function readModulus(module: PKCS11, session: Handle, object: Handle): PublicHalf | null {
  const modulus = attribute(module, session, object, pkcs11.CKA_MODULUS)
  const exponent = attribute(module, session, object, pkcs11.CKA_PUBLIC_EXPONENT)
  if (modulus === null || exponent === null) return null
  return half('RS256', { kty: 'RSA', n: modulus.toString('base64url'), e: exponent.toString('base64url') })
}

function half(algorithm: SignatureAlgorithm, jwk: Record<string, string>): PublicHalf | null {
  let key: KeyObject
  try {
    key = createPublicKey({ key: jwk, format: 'jwk' })
  } catch {
    return null
  }
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && (bits < 2048 || bits > 8192)) return null
  return { algorithm, publicKey: new Uint8Array(key.export({ type: 'spki', format: 'der' })) }
}
