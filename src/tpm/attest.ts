import type { Bytes } from '#kernel/bytes.ts'
import { MAX_DIGEST_BYTES, MAX_NAME_BYTES } from './algorithms.ts'
import { tpmError } from './errors.ts'
import { readPcrSelections, type PcrSelection } from './pcr-selection.ts'
import { readWhole, type TpmReader } from './reader.ts'

/** What a restricted key refuses to sign from outside: it begins everything that the TPM has written itself. */
const GENERATED = 0xff544347
const CERTIFY = 0x8017
const QUOTE = 0x8018
const CREATION = 0x801a

interface Attested {
  /** Qualified Name of the key that has signed. */
  readonly qualifiedSigner: Bytes
  /** What the asker gave to be signed along. */
  readonly extraData: Bytes
  readonly clock: bigint
  readonly resetCount: number
  readonly restartCount: number
  readonly safe: boolean
  /** Obfuscated, as are the counters, unless the key lies in the endorsement or the platform hierarchy. */
  readonly firmwareVersion: bigint
}

export interface CertifyAttest extends Attested {
  readonly type: 'certify'
  readonly name: Bytes
  readonly qualifiedName: Bytes
}

export interface QuoteAttest extends Attested {
  readonly type: 'quote'
  readonly selections: readonly PcrSelection[]
  readonly pcrDigest: Bytes
}

export interface CreationAttest extends Attested {
  readonly type: 'creation'
  readonly objectName: Bytes
  readonly creationHash: Bytes
}

/** A TPMS_ATTEST (TPM 2.0 Library, Part 2, 10.12.12). */
export type TpmAttest = CertifyAttest | QuoteAttest | CreationAttest

const MAX_EXTRA_DATA = 66
const MAX_ATTEST_BYTES = 1024

/**
 * What a TPM says of a key (certify, certify-creation) or of its PCRs (quote). It is worth its signature only.
 * @throws TPM_NOT_GENERATED, TPM_ATTESTATION_UNSUPPORTED, TPM_PCR_SELECTION, TPM_HASH_WEAK, TPM_VALUE_INVALID,
 * TPM_ALGORITHM_UNSUPPORTED, TPM_TRUNCATED, TPM_TRAILING_BYTES, TPM_TOO_LARGE
 */
export function parseAttest(bytes: Bytes): TpmAttest {
  return readWhole(bytes, readAttest, MAX_ATTEST_BYTES)
}

function readAttest(reader: TpmReader): TpmAttest {
  if (reader.uint32() !== GENERATED) throw tpmError('TPM_NOT_GENERATED')
  const type = reader.uint16()
  const common: Attested = {
    qualifiedSigner: reader.sized(MAX_NAME_BYTES),
    extraData: reader.sized(MAX_EXTRA_DATA),
    clock: reader.uint64(),
    resetCount: reader.uint32(),
    restartCount: reader.uint32(),
    safe: reader.yesNo(),
    firmwareVersion: reader.uint64(),
  }
  if (type === CERTIFY) {
    return {
      type: 'certify',
      ...common,
      name: reader.sized(MAX_NAME_BYTES),
      qualifiedName: reader.sized(MAX_NAME_BYTES),
    }
  }
  if (type === QUOTE) {
    return {
      type: 'quote',
      ...common,
      selections: readPcrSelections(reader),
      pcrDigest: reader.sized(MAX_DIGEST_BYTES),
    }
  }
  if (type !== CREATION) throw tpmError('TPM_ATTESTATION_UNSUPPORTED', { details: { type } })
  const objectName = reader.sized(MAX_NAME_BYTES)
  return { type: 'creation', ...common, objectName, creationHash: reader.sized(MAX_DIGEST_BYTES) }
}
