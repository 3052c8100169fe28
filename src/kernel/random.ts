import type { Bytes } from './bytes.ts'

/** The one source of randomness: cryptographically strong bytes. */
export interface Random {
  bytes(length: number): Bytes
}
