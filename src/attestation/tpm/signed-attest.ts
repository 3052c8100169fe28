import { equal, type Bytes } from '#kernel/bytes.ts'
import type { JsonObject } from '#kernel/json.ts'
import {
  nameOf,
  parseAttest,
  parseSignature,
  verifySignature,
  type CertifyAttest,
  type QuoteAttest,
  type TpmHash,
  type TpmPublic,
} from '#tpm/index.ts'
import { attestationError } from '../errors.ts'
import { bytesOf, textOf } from '../members.ts'

const MAX_TEXT = 1368

/** TPMS_ATTEST and TPMT_SIGNATURE as they came. */
export interface SignedAttest {
  readonly attest: Bytes
  readonly signature: Bytes
}

/** Who is to have signed, and along with what. */
export interface Signing {
  readonly ak: TpmPublic
  /** SHA-256 of the statement: session, nonce and certificate request. */
  readonly qualifyingData: Bytes
}

/** @throws EVIDENCE_INVALID */
export function readSignedAttest({ attest, signature }: JsonObject): SignedAttest {
  return { attest: bytesOf(textOf(attest, MAX_TEXT)), signature: bytesOf(textOf(signature, MAX_TEXT)) }
}

/**
 * That the TPM of the attestation key holds this very key, now.
 * @throws TPM_CERTIFY_INVALID, TPM_NONCE_FOREIGN, TPM_CERTIFY_OTHER_KEY, and what `parseAttest` and `parseSignature`
 * throw
 */
export function verifyCertify({ ak, qualifyingData }: Signing, signed: SignedAttest, key: TpmPublic): CertifyAttest {
  const attest = parseAttest(signed.attest)
  const isSigned = verifySignature(ak, signed.attest, parseSignature(signed.signature))
  if (attest.type !== 'certify' || !isSigned) throw attestationError('TPM_CERTIFY_INVALID')
  checkNonce(attest.extraData, qualifyingData)
  if (!equal(attest.name, nameOf(key))) throw attestationError('TPM_CERTIFY_OTHER_KEY')
  return attest
}

/** A quote, and the hash that its digest of the PCRs is made with. */
export interface VerifiedQuote {
  readonly attest: QuoteAttest
  readonly hash: TpmHash
}

/** @throws TPM_QUOTE_INVALID, TPM_NONCE_FOREIGN, and what `parseAttest` and `parseSignature` throw */
export function verifyQuote({ ak, qualifyingData }: Signing, signed: SignedAttest): VerifiedQuote {
  const attest = parseAttest(signed.attest)
  const signature = parseSignature(signed.signature)
  const isSigned = verifySignature(ak, signed.attest, signature)
  if (attest.type !== 'quote' || !isSigned) throw attestationError('TPM_QUOTE_INVALID')
  checkNonce(attest.extraData, qualifyingData)
  return { attest, hash: signature.hash }
}

function checkNonce(extraData: Bytes, qualifyingData: Bytes): void {
  if (!equal(extraData, qualifyingData)) throw attestationError('TPM_NONCE_FOREIGN')
}
