import { createHash, hash } from 'node:crypto'
import type { Bytes } from './bytes.ts'

export function sha256(...parts: readonly Bytes[]): Bytes {
  if (parts.length === 1 && parts[0] !== undefined) return new Uint8Array(hash('sha256', parts[0], 'buffer'))
  const state = createHash('sha256')
  for (const part of parts) state.update(part)
  return new Uint8Array(state.digest())
}
