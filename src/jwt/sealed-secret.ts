import { createCipheriv, createDecipheriv } from 'node:crypto'
import { concat, type Bytes } from '#kernel/bytes.ts'
import { jwtError } from './errors.ts'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** AES-256-GCM: nonce, ciphertext and tag, one behind the other. What was sealed in one context opens in no other. */
export function sealSecret(
  key: Bytes,
  { plain, context, nonce }: { readonly plain: Bytes; readonly context: Bytes; readonly nonce: Bytes },
): Bytes {
  const cipher = createCipheriv(CIPHER, key, nonce)
  cipher.setAAD(context)
  const sealed = concat(new Uint8Array(cipher.update(plain)), new Uint8Array(cipher.final()))
  return concat(nonce, sealed, new Uint8Array(cipher.getAuthTag()))
}

/** @throws SEALED_SECRET_INVALID */
export function openSealed(
  key: Bytes,
  { sealed, context }: { readonly sealed: Bytes; readonly context: Bytes },
): Bytes {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw jwtError('SEALED_SECRET_INVALID')
  try {
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES))
    decipher.setAAD(context)
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
    const opened = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES))
    return concat(new Uint8Array(opened), new Uint8Array(decipher.final()))
  } catch (cause) {
    throw jwtError('SEALED_SECRET_INVALID', { cause })
  }
}
