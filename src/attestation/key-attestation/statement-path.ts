import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { buildPath, parseCertificate, type Certificate, type VerifiedPath } from '#x509/index.ts'
import { attestationError } from '../errors.ts'
import { bytesOf, listOf, textOf } from '../members.ts'

const MAX_CHAIN = 5
const MAX_TEXT = 12_000
const LIMITS = { maxBytes: 8 * 1024, maxExtensions: 24 }

/** The `chain` of a statement, base64 of the DER, the leaf first. @throws EVIDENCE_INVALID, what `parseCertificate` throws */
export function readStatementChain({ chain }: JsonObject): readonly [Certificate, ...Certificate[]] {
  const texts = listOf(chain, MAX_CHAIN).map((text) => textOf(text, MAX_TEXT))
  const [leaf, ...rest] = texts.map((text) => parseCertificate(bytesOf(text), LIMITS))
  if (leaf === undefined) throw attestationError('EVIDENCE_INVALID')
  return [leaf, ...rest]
}

/**
 * A path from the leaf, which is no authority, to one of the roots.
 * @throws KEY_ATTESTATION_IS_AUTHORITY, KEY_ATTESTATION_EXPIRED, KEY_ATTESTATION_UNTRUSTED
 */
export function verifyStatementPath(
  [leaf, ...intermediates]: readonly [Certificate, ...Certificate[]],
  roots: readonly Certificate[],
  now: Instant,
): VerifiedPath {
  if (leaf.isAuthority || leaf.extension('keyUsage')?.usages.includes('keyCertSign') === true) {
    throw attestationError('KEY_ATTESTATION_IS_AUTHORITY')
  }
  try {
    return buildPath(leaf, intermediates, roots, { at: now, purpose: 'any' })
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    const code = cause.code === 'CERTIFICATE_EXPIRED' ? 'KEY_ATTESTATION_EXPIRED' : 'KEY_ATTESTATION_UNTRUSTED'
    throw attestationError(code, { cause, details: { why: cause.code } })
  }
}
