import { createHmac } from 'node:crypto'
import { concat, equal, fromBase64Url, toBase64Url, utf8, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { instant, type Instant } from '#kernel/instant.ts'

const TIME_BYTES = 6
const MAC_BYTES = 16

/**
 * A nonce for DPoP proofs (RFC 9449 section 8): when it was made, sealed with a key that all replicas share, so that
 * any of them knows it again and none has to remember it.
 */
export function sealNonce(key: Bytes, at: Instant): string {
  const time = timeBytes(at)
  return toBase64Url(concat(time, macOf(key, time)))
}

/** When a nonce claims to have been made; null for what is none. Nobody has looked at its seal yet. */
export function nonceTime(nonce: string): Instant | null {
  const bytes = bytesOf(nonce)
  if (bytes?.length !== TIME_BYTES + MAC_BYTES) return null
  return instantOf(bytes.subarray(0, TIME_BYTES).reduce((time, byte) => time * 256 + byte, 0))
}

/** Whether the nonce was sealed with this key. */
export function isSealedNonce(key: Bytes, nonce: string): boolean {
  const bytes = bytesOf(nonce)
  if (bytes?.length !== TIME_BYTES + MAC_BYTES) return false
  return equal(macOf(key, bytes.subarray(0, TIME_BYTES)), bytes.subarray(TIME_BYTES))
}

function timeBytes(at: Instant): Bytes {
  const bytes = new Uint8Array(TIME_BYTES)
  for (let index = TIME_BYTES - 1, rest: number = at; index >= 0; index--) {
    bytes[index] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return bytes
}

function macOf(key: Bytes, time: Bytes): Bytes {
  const mac = createHmac('sha256', key).update(utf8('writ dpop-nonce')).update(time).digest()
  return new Uint8Array(mac.subarray(0, MAC_BYTES))
}

function bytesOf(nonce: string): Bytes | null {
  try {
    return fromBase64Url(nonce)
  } catch (error) {
    if (isWritError(error, 'INVALID_BASE64')) return null
    throw error
  }
}

function instantOf(milliseconds: number): Instant | null {
  try {
    return instant(milliseconds)
  } catch (error) {
    if (isWritError(error, 'INVALID_INSTANT')) return null
    throw error
  }
}
