import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { buildPath, parseCertificate, type Certificate, type VerifiedPath } from '#x509/index.ts'
import { attestationError } from '../errors.ts'
import { bytesOf } from '../members.ts'

/** Leaf and at most four intermediates. */
const MAX_CHAIN = 5
const MAX_CERTIFICATE = { maxBytes: 8 * 1024, maxExtensions: 24 }
const MAX_TEXT = Math.ceil(MAX_CERTIFICATE.maxBytes / 3) * 4

/**
 * The `chain` of the evidence, base64 of the DER, leaf first. Counted and measured before it is decoded, decoded
 * before it is parsed, and parsed (which bounds the keys) before any signature is looked at.
 * @throws EVIDENCE_INVALID, X509POP_CHAIN_TOO_LONG, and what `parseCertificate` throws
 */
export function readChain(evidence: JsonObject): readonly string[] {
  const { chain } = evidence
  if (!isList(chain) || chain.length === 0 || Object.keys(evidence).length !== 1) {
    throw attestationError('EVIDENCE_INVALID')
  }
  if (chain.length > MAX_CHAIN) throw attestationError('X509POP_CHAIN_TOO_LONG')
  return chain.map((text) => {
    if (typeof text !== 'string') throw attestationError('EVIDENCE_INVALID')
    if (text.length > MAX_TEXT) throw attestationError('X509POP_CERTIFICATE_TOO_LARGE')
    return text
  })
}

/**
 * A path from the leaf to one of the roots. The leaf is no authority and may sign; what its extended key usage names
 * is not asked for, since device certificates are made for many things.
 * @throws EVIDENCE_INVALID, X509POP_LEAF_IS_AUTHORITY, X509POP_LEAF_CANNOT_SIGN, X509POP_CERTIFICATE_EXPIRED,
 * X509POP_CHAIN_UNTRUSTED, and what `parseCertificate` throws
 */
export function verifyChain(chain: readonly string[], roots: readonly Certificate[], now: Instant): VerifiedPath {
  const [leaf, ...intermediates] = chain.map((text) => parseCertificate(bytesOf(text), MAX_CERTIFICATE))
  if (leaf === undefined) throw attestationError('EVIDENCE_INVALID')
  checkUsage(leaf)
  try {
    return buildPath(leaf, intermediates, roots, { at: now, purpose: 'any' })
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    const isExpired = cause.code === 'CERTIFICATE_EXPIRED'
    throw attestationError(isExpired ? 'X509POP_CERTIFICATE_EXPIRED' : 'X509POP_CHAIN_UNTRUSTED', {
      cause,
      details: { why: cause.code },
    })
  }
}

function checkUsage(leaf: Certificate): void {
  const usages = leaf.extension('keyUsage')?.usages
  if (leaf.isAuthority || usages?.includes('keyCertSign') === true) {
    throw attestationError('X509POP_LEAF_IS_AUTHORITY')
  }
  if (usages?.includes('digitalSignature') === false) throw attestationError('X509POP_LEAF_CANNOT_SIGN')
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}
