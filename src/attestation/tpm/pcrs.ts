import { equal, fromHex, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { pcrDigestOf, type PcrSelection } from '#tpm/index.ts'
import { attestationError } from '../errors.ts'
import { listOf, objectOf, onlyMembers } from '../members.ts'
import type { VerifiedQuote } from './signed-attest.ts'

/** The value of one PCR, as the device reports it. */
export interface PcrValue {
  readonly index: number
  readonly digest: Bytes
}

const MAX_VALUES = 32
const DIGEST = /^(?:[0-9a-f]{64}|[0-9a-f]{96})$/

/** @throws EVIDENCE_INVALID */
export function readPcrValues({ pcrs }: JsonObject): readonly PcrValue[] {
  return listOf(pcrs, MAX_VALUES).map(readValue)
}

function readValue(value: JsonValue): PcrValue {
  const entry = objectOf(value)
  onlyMembers(entry, 'index', 'digest')
  const { index, digest } = entry
  if (typeof index !== 'number' || typeof digest !== 'string' || !DIGEST.test(digest)) {
    throw attestationError('EVIDENCE_INVALID')
  }
  return { index, digest: decode(digest) }
}

function decode(text: string): Bytes {
  try {
    return fromHex(text)
  } catch (cause) {
    if (isWritError(cause)) throw attestationError('EVIDENCE_INVALID', { cause })
    throw cause
  }
}

/**
 * The values that the TPM has vouched for: of exactly the PCRs that were asked for.
 * @throws TPM_QUOTE_EMPTY, TPM_QUOTE_SELECTION, TPM_QUOTE_PCRS
 */
export function quotedValues(
  { attest, hash }: VerifiedQuote,
  wanted: PcrSelection,
  values: readonly PcrValue[],
): readonly PcrValue[] {
  const quoted = attest.selections.filter(({ indexes }) => indexes.length > 0)
  const [only, second] = quoted
  if (only === undefined) throw attestationError('TPM_QUOTE_EMPTY')
  if (second !== undefined || !isSame(only, wanted)) throw attestationError('TPM_QUOTE_SELECTION')
  const ordered = only.indexes.map((index) => values.find((value) => value.index === index))
  const known = ordered.filter((value) => value !== undefined)
  const digest = pcrDigestOf(
    hash,
    known.map((value) => value.digest),
  )
  const isWhole = known.length === ordered.length && values.length === ordered.length
  if (!isWhole || !equal(digest, attest.pcrDigest)) throw attestationError('TPM_QUOTE_PCRS')
  return known
}

function isSame(left: PcrSelection, right: PcrSelection): boolean {
  const order = (indexes: readonly number[]): string => [...new Set(indexes)].toSorted((a, b) => a - b).join()
  return left.bank === right.bank && order(left.indexes) === order(right.indexes)
}
