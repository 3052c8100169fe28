import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { toBase64Url, utf8, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { canonicalize, type JsonObject } from '#kernel/json.ts'
import { parsePublicJwk, type PublicJwk } from '#spiffe/index.ts'
import { jwtError } from './errors.ts'

/** RFC 7638: base64url of SHA-256 over the required members. It is the `kid` of every key of ours. */
export function thumbprint(key: PublicJwk): string {
  const required =
    key.kty === 'EC' ? { crv: key.crv, kty: key.kty, x: key.x, y: key.y } : { e: key.e, kty: key.kty, n: key.n }
  return toBase64Url(sha256(utf8(canonicalize(required))))
}

/** @throws JWT_KEY_UNSUPPORTED unless it is the DER SubjectPublicKeyInfo of a kind that we accept; JWK_SIZE */
export function jwkFromSpki(spki: Bytes): PublicJwk {
  const key = parsePublicJwk(exportJwk(spki))
  if (key === undefined) throw jwtError('JWT_KEY_UNSUPPORTED')
  return key
}

function exportJwk(spki: Bytes): JsonObject {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    return key.export({ format: 'jwk' }) as JsonObject
  } catch (cause) {
    throw jwtError('JWT_KEY_UNSUPPORTED', { cause })
  }
}

/** @throws JWT_KEY_UNSUPPORTED for an EC point that is not on its curve */
export function importJwk(key: PublicJwk): KeyObject {
  try {
    return createPublicKey({ key: key as unknown as JsonWebKey, format: 'jwk' })
  } catch (cause) {
    throw jwtError('JWT_KEY_UNSUPPORTED', { cause })
  }
}

/** DER SubjectPublicKeyInfo. @throws JWT_KEY_UNSUPPORTED */
export function spkiFromJwk(key: PublicJwk): Bytes {
  return new Uint8Array(importJwk(key).export({ format: 'der', type: 'spki' }))
}
