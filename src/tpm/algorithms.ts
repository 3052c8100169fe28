import { hash } from 'node:crypto'
import { concat, type Bytes } from '#kernel/bytes.ts'
import { tpmError } from './errors.ts'
import type { TpmReader } from './reader.ts'

/** TPM_ALG_ID (TPM 2.0 Library, Part 2, 6.3): those that are read or written here. */
export const TPM_ALGORITHM = {
  rsa: 0x0001,
  sha1: 0x0004,
  aes: 0x0006,
  sha256: 0x000b,
  sha384: 0x000c,
  null: 0x0010,
  rsassa: 0x0014,
  rsapss: 0x0016,
  ecdsa: 0x0018,
  ecc: 0x0023,
  cfb: 0x0043,
} as const

/** The hashes that are accepted; `digest` is the length of one in bytes. */
export const TPM_HASHES = {
  sha256: { id: TPM_ALGORITHM.sha256, digest: 32 },
  sha384: { id: TPM_ALGORITHM.sha384, digest: 48 },
} as const

export type TpmHash = keyof typeof TPM_HASHES

/** Curves by TPM_ECC_CURVE; `size` is that of a coordinate in bytes, `group` what node:crypto calls it. */
export const TPM_CURVES = {
  'P-256': { id: 0x0003, size: 32, group: 'prime256v1' },
  'P-384': { id: 0x0004, size: 48, group: 'secp384r1' },
} as const

export type TpmCurve = keyof typeof TPM_CURVES

/** No digest that is accepted is longer. */
export const MAX_DIGEST_BYTES = 48
/** A Name: the hash it is made with, and a digest. */
export const MAX_NAME_BYTES = 2 + MAX_DIGEST_BYTES

/** @throws TPM_HASH_WEAK, TPM_ALGORITHM_UNSUPPORTED */
export function readHash(reader: TpmReader): TpmHash {
  const id = reader.uint16()
  if (id === TPM_ALGORITHM.sha256) return 'sha256'
  if (id === TPM_ALGORITHM.sha384) return 'sha384'
  throw tpmError(id === TPM_ALGORITHM.sha1 ? 'TPM_HASH_WEAK' : 'TPM_ALGORITHM_UNSUPPORTED', { details: { id } })
}

/** @throws TPM_CURVE_UNSUPPORTED */
export function readCurve(reader: TpmReader): TpmCurve {
  const id = reader.uint16()
  if (id === TPM_CURVES['P-256'].id) return 'P-256'
  if (id === TPM_CURVES['P-384'].id) return 'P-384'
  throw tpmError('TPM_CURVE_UNSUPPORTED', { details: { id } })
}

export function digestOf(algorithm: TpmHash, ...parts: readonly Bytes[]): Bytes {
  return new Uint8Array(hash(algorithm, concat(...parts), 'buffer'))
}
