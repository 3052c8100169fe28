import { concat, type Bytes } from '#kernel/bytes.ts'
import { MAX_DIGEST_BYTES, readCurve, readHash, TPM_ALGORITHM, TPM_CURVES, TPM_HASHES } from './algorithms.ts'
import { tpmError } from './errors.ts'
import type { TpmEccPublic, TpmPublic, TpmRsaPublic } from './public-area.ts'
import { keyObjectOf } from './public-key.ts'
import { readWhole, type TpmReader } from './reader.ts'
import { readScheme, readSymmetric, writeScheme, writeSymmetric } from './schemes.ts'
import { sized, uint16, uint32 } from './writer.ts'

const RSA_SIZES: readonly number[] = [2048, 3072, 4096]
const MAX_PUBLIC_BYTES = 1024

/**
 * An RSA (2048, 3072, 4096) or ECC (P-256, P-384) public area without its outer length. The key is checked: the
 * modulus fills its size, the point is on its curve.
 * @throws TPM_TRUNCATED, TPM_TRAILING_BYTES, TPM_TOO_LARGE, TPM_ALGORITHM_UNSUPPORTED, TPM_HASH_WEAK,
 * TPM_CURVE_UNSUPPORTED, TPM_VALUE_INVALID, TPM_KEY_INVALID
 */
export function parsePublic(bytes: Bytes): TpmPublic {
  const area = readWhole(bytes, readPublic, MAX_PUBLIC_BYTES)
  keyObjectOf(area)
  return area
}

function readPublic(reader: TpmReader): TpmPublic {
  const id = reader.uint16()
  if (id !== TPM_ALGORITHM.rsa && id !== TPM_ALGORITHM.ecc) {
    throw tpmError('TPM_ALGORITHM_UNSUPPORTED', { details: { id } })
  }
  const nameAlg = readHash(reader)
  const attributes = reader.uint32()
  const authPolicy = reader.sized(MAX_DIGEST_BYTES)
  if (authPolicy.length !== 0 && authPolicy.length !== TPM_HASHES[nameAlg].digest) {
    throw tpmError('TPM_VALUE_INVALID', { details: { offset: reader.offset } })
  }
  const symmetric = readSymmetric(reader)
  const scheme = readScheme(reader)
  if (scheme !== null && (scheme.name === 'ecdsa') !== (id === TPM_ALGORITHM.ecc)) {
    throw tpmError('TPM_ALGORITHM_UNSUPPORTED', { details: { id, scheme: scheme.name } })
  }
  const area = { nameAlg, attributes, authPolicy, symmetric, scheme }
  return id === TPM_ALGORITHM.rsa
    ? { type: 'rsa', ...area, ...readRsa(reader) }
    : { type: 'ecc', ...area, ...readEcc(reader) }
}

function readRsa(reader: TpmReader): Pick<TpmRsaPublic, 'bits' | 'exponent' | 'modulus'> {
  const bits = reader.uint16()
  if (!RSA_SIZES.includes(bits)) throw tpmError('TPM_KEY_INVALID', { details: { bits } })
  const exponent = reader.uint32()
  if (exponent !== 0 && (exponent < 65_537 || exponent % 2 === 0)) throw tpmError('TPM_KEY_INVALID')
  const modulus = reader.sized(bits / 8)
  const isWhole = modulus.length === bits / 8 && (modulus[0] ?? 0) >= 0x80 && (modulus.at(-1) ?? 0) % 2 === 1
  if (!isWhole) throw tpmError('TPM_KEY_INVALID', { details: { bits, length: modulus.length } })
  return { bits, exponent, modulus }
}

function readEcc(reader: TpmReader): Pick<TpmEccPublic, 'curve' | 'x' | 'y'> {
  const curve = readCurve(reader)
  const kdf = reader.uint16()
  if (kdf !== TPM_ALGORITHM.null) throw tpmError('TPM_ALGORITHM_UNSUPPORTED', { details: { id: kdf } })
  const { size } = TPM_CURVES[curve]
  return { curve, x: reader.sized(size), y: reader.sized(size) }
}

/** The bytes that `parsePublic` reads, to the bit. */
export function encodePublic(area: TpmPublic): Bytes {
  const head = [
    uint16(TPM_ALGORITHM[area.type]),
    uint16(TPM_HASHES[area.nameAlg].id),
    uint32(area.attributes),
    sized(area.authPolicy),
    writeSymmetric(area.symmetric),
    writeScheme(area.scheme),
  ]
  if (area.type === 'rsa') return concat(...head, uint16(area.bits), uint32(area.exponent), sized(area.modulus))
  const curve = uint16(TPM_CURVES[area.curve].id)
  return concat(...head, curve, uint16(TPM_ALGORITHM.null), sized(area.x), sized(area.y))
}
