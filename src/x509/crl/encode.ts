import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import { concat, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Signer } from '#kernel/signer.ts'
import { bitsElement, sequence, tlv } from '../der/build.ts'
import { contextConstructed, TAG } from '../der/tags.ts'
import { timeText } from '../der/time.ts'
import { x509Error } from '../errors.ts'
import { encodeAlgorithm } from '../keys/signature-algorithm.ts'
import type { CrlEntry } from './entry.ts'
import { crlExtensions, type CrlExtensionFields } from './extensions.ts'

/** Everything that a CRL says, before it is signed. */
export interface CrlTemplate extends CrlExtensionFields {
  readonly signatureAlgorithm: SignatureAlgorithm
  /** DER Name: the subject of the issuer's certificate, byte for byte (R1). */
  readonly issuer: Bytes
  /** Whole seconds; so is `nextUpdate`. */
  readonly thisUpdate: Instant
  readonly nextUpdate: Instant
  /** In any order: the CRL has them by serial number, so that equal lists make equal CRLs. */
  readonly entries: readonly CrlEntry[]
}

const VERSION_2 = new Uint8Array([TAG.integer, 1, 1])
const EMPTY_NAME_LENGTH = 2
/** The largest number whose INTEGER has 20 octets (R4). */
const LARGEST_NUMBER = 2n ** 159n - 1n

/**
 * TBSCertList, version 2 (RFC 5280 section 5.1): one template, one encoding. Entries are taken as they were encoded, so
 * that a list of a hundred thousand costs one copy.
 * @throws TEMPLATE_INVALID for a template that could only make a CRL which RFC 5280 forbids
 */
export function encodeTbsCrl(template: CrlTemplate): Bytes {
  checkTemplate(template)
  const entries = inOrder(template)
  try {
    return sequence(
      VERSION_2,
      encodeAlgorithm(template.signatureAlgorithm),
      template.issuer,
      timeElement(template.thisUpdate),
      timeElement(template.nextUpdate),
      // R3: absent where nothing is revoked; an empty list is an error to RFC 5280.
      entries.length === 0 ? new Uint8Array(0) : sequence(concat(...entries.map(({ der }) => der))),
      tlv(contextConstructed(0), crlExtensions(template)),
    )
  } catch (cause) {
    if (isWritError(cause) && cause.code !== 'TEMPLATE_INVALID') throw x509Error('TEMPLATE_INVALID', { cause })
    throw cause
  }
}

/** CertificateList ::= SEQUENCE of the signed part, its algorithm and the signature. */
export function assembleCrl(tbs: Bytes, algorithm: SignatureAlgorithm, signature: Bytes): Bytes {
  return sequence(tbs, encodeAlgorithm(algorithm), bitsElement(signature))
}

/**
 * Encodes and signs. Whoever gives the signer has seen to it that the CRL may be signed.
 * @throws TEMPLATE_INVALID, also for another algorithm than the signer's; rejects when the signer does
 */
export async function createCrl(template: CrlTemplate, signer: Signer): Promise<Bytes> {
  refuseUnless(signer.algorithm === template.signatureAlgorithm, 'signatureAlgorithm')
  const tbs = encodeTbsCrl(template)
  return assembleCrl(tbs, signer.algorithm, await signer.sign(tbs))
}

function timeElement(moment: Instant): Bytes {
  const { tag, text } = timeText(moment)
  return tlv(tag, Buffer.from(text, 'latin1'))
}

function checkTemplate({ issuer, thisUpdate, nextUpdate, number, scope, ...template }: CrlTemplate): void {
  refuseUnless(issuer.length > EMPTY_NAME_LENGTH && issuer[0] === TAG.sequence, 'issuer')
  refuseUnless(thisUpdate < nextUpdate, 'nextUpdate')
  refuseUnless(number >= 0n && number <= LARGEST_NUMBER, 'number')
  refuseUnless(template.authorityKeyIdentifier.length > 0, 'authorityKeyIdentifier')
  // R6: a scope that says nothing would be an empty SEQUENCE.
  refuseUnless(scope === undefined || scope.distributionPoint !== undefined || scope.only !== undefined, 'scope')
  refuseUnless(
    template.entries.every(({ revokedAt }) => revokedAt <= thisUpdate),
    'revokedAt',
  )
}

function inOrder({ entries }: CrlTemplate): readonly CrlEntry[] {
  const sorted = entries.toSorted(bySerial)
  const repeated = sorted.some((entry, index) => {
    const next = sorted[index + 1]
    return next !== undefined && bySerial(entry, next) === 0
  })
  refuseUnless(!repeated, 'entries')
  return sorted
}

/** As numbers: both are positive and in their shortest form. */
function bySerial(left: CrlEntry, right: CrlEntry): number {
  return left.serial.length - right.serial.length || Buffer.compare(left.serial, right.serial)
}

/** Throws TEMPLATE_INVALID; only the name of the wrong part is told. */
function refuseUnless(right: boolean, part: string): void {
  if (!right) throw x509Error('TEMPLATE_INVALID', { details: { part } })
}
