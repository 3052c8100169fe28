import { concat, type Bytes } from '#kernel/bytes.ts'
import { readHash, TPM_ALGORITHM, TPM_HASHES, type TpmHash } from './algorithms.ts'
import { tpmError } from './errors.ts'
import type { TpmReader } from './reader.ts'
import { uint16 } from './writer.ts'

/** How a storage key protects what lies under it: AES in CFB mode. */
export interface Symmetric {
  readonly bits: 128 | 256
}

export type SchemeName = 'rsassa' | 'rsapss' | 'ecdsa'

/** How a key signs. Keys without one are told with each signature. */
export interface SigningScheme {
  readonly name: SchemeName
  readonly hash: TpmHash
}

/** TPMT_SYM_DEF_OBJECT. @throws TPM_ALGORITHM_UNSUPPORTED */
export function readSymmetric(reader: TpmReader): Symmetric | null {
  const id = reader.uint16()
  if (id === TPM_ALGORITHM.null) return null
  if (id !== TPM_ALGORITHM.aes) throw tpmError('TPM_ALGORITHM_UNSUPPORTED', { details: { id } })
  const bits = reader.uint16()
  const mode = reader.uint16()
  if (mode !== TPM_ALGORITHM.cfb) throw tpmError('TPM_ALGORITHM_UNSUPPORTED', { details: { id: mode } })
  if (bits !== 128 && bits !== 256) throw tpmError('TPM_ALGORITHM_UNSUPPORTED', { details: { id, bits } })
  return { bits }
}

export function writeSymmetric(symmetric: Symmetric | null): Bytes {
  if (symmetric === null) return uint16(TPM_ALGORITHM.null)
  return concat(uint16(TPM_ALGORITHM.aes), uint16(symmetric.bits), uint16(TPM_ALGORITHM.cfb))
}

/** A signature scheme's TPM_ALG_ID. @throws TPM_ALGORITHM_UNSUPPORTED */
export function schemeNamed(id: number): SchemeName {
  if (id === TPM_ALGORITHM.rsassa) return 'rsassa'
  if (id === TPM_ALGORITHM.rsapss) return 'rsapss'
  if (id === TPM_ALGORITHM.ecdsa) return 'ecdsa'
  throw tpmError('TPM_ALGORITHM_UNSUPPORTED', { details: { id } })
}

/** TPMT_RSA_SCHEME and TPMT_ECC_SCHEME. Encryption and key exchange schemes are not accepted. */
export function readScheme(reader: TpmReader): SigningScheme | null {
  const id = reader.uint16()
  return id === TPM_ALGORITHM.null ? null : { name: schemeNamed(id), hash: readHash(reader) }
}

export function writeScheme(scheme: SigningScheme | null): Bytes {
  if (scheme === null) return uint16(TPM_ALGORITHM.null)
  return concat(uint16(TPM_ALGORITHM[scheme.name]), uint16(TPM_HASHES[scheme.hash].id))
}
