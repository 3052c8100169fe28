import { concat, type Bytes } from '#kernel/bytes.ts'
import { digestOf, readHash, TPM_HASHES, type TpmHash } from './algorithms.ts'
import { tpmError } from './errors.ts'
import type { TpmReader } from './reader.ts'
import { uint16, uint32, uint8 } from './writer.ts'

/** PCRs of one bank, their indexes ascending. */
export interface PcrSelection {
  readonly bank: TpmHash
  readonly indexes: readonly number[]
}

const MAX_BANKS = 4
const MAX_BITMAP_BYTES = 4
/** What the PC Client profile asks for. */
const USUAL_BITMAP_BYTES = 3

/** TPML_PCR_SELECTION. @throws TPM_PCR_SELECTION, TPM_HASH_WEAK, TPM_ALGORITHM_UNSUPPORTED, TPM_TRUNCATED */
export function readPcrSelections(reader: TpmReader): readonly PcrSelection[] {
  const count = reader.uint32()
  if (count > MAX_BANKS) throw tpmError('TPM_PCR_SELECTION', { details: { count } })
  const selections = Array.from({ length: count }, () => readSelection(reader))
  const banks = new Set(selections.map(({ bank }) => bank))
  if (banks.size !== selections.length) throw tpmError('TPM_PCR_SELECTION')
  return selections
}

function readSelection(reader: TpmReader): PcrSelection {
  const bank = readHash(reader)
  const length = reader.uint8()
  if (length === 0 || length > MAX_BITMAP_BYTES) throw tpmError('TPM_PCR_SELECTION', { details: { length } })
  const bitmap = reader.take(length)
  const every = Array.from({ length: length * 8 }, (_, index) => index)
  return { bank, indexes: every.filter((index) => ((bitmap[index >> 3] ?? 0) & (1 << (index & 7))) !== 0) }
}

/** The bytes that a TPM is asked with. @throws TPM_PCR_SELECTION */
export function encodePcrSelections(selections: readonly PcrSelection[]): Bytes {
  return concat(uint32(selections.length), ...selections.map(writeSelection))
}

function writeSelection({ bank, indexes }: PcrSelection): Bytes {
  const isSane = indexes.every((index) => Number.isInteger(index) && index >= 0 && index < MAX_BITMAP_BYTES * 8)
  if (!isSane) throw tpmError('TPM_PCR_SELECTION')
  const bitmap = new Uint8Array(Math.max(USUAL_BITMAP_BYTES, ...indexes.map((index) => (index >> 3) + 1)))
  for (const index of indexes) bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7))
  return concat(uint16(TPM_HASHES[bank].id), uint8(bitmap.length), bitmap)
}

/** The digest of a quote: of the values one behind the other, with the hash of the signature. */
export function pcrDigestOf(hash: TpmHash, values: readonly Bytes[]): Bytes {
  return digestOf(hash, ...values)
}
