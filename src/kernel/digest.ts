import { createHash, hash } from 'node:crypto'
import type { Bytes } from './bytes.ts'

/** SHA-256 in lower-case hexadecimal; of a text that is well formed, its UTF-8. */
export function sha256Hex(of: Bytes | string): string {
  return hash('sha256', of, 'hex')
}

export function sha256(...parts: readonly Bytes[]): Bytes {
  if (parts.length === 1 && parts[0] !== undefined) return new Uint8Array(hash('sha256', parts[0], 'buffer'))
  const state = createHash('sha256')
  for (const part of parts) state.update(part)
  return new Uint8Array(state.digest())
}
