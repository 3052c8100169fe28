import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Bytes } from '#kernel/bytes.ts'
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
import { atOnce, inSlices, LINES_AT_ONCE, type Pause, type Steps } from './steps.ts'

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
  return atOnce(encode(template))
}

/** The same for a list that may be very long: others have their turn while it is made. @throws as encodeTbsCrl */
export function encodeTbsCrlInSlices(template: CrlTemplate, pause: Pause): Promise<Bytes> {
  return inSlices(encode(template), pause)
}

function* encode(template: CrlTemplate): Steps<Bytes> {
  checkTemplate(template)
  const entries = yield* inOrder(template.entries)
  const lines = yield* joined(entries, template.thisUpdate)
  try {
    return sequence(
      VERSION_2,
      encodeAlgorithm(template.signatureAlgorithm),
      template.issuer,
      timeElement(template.thisUpdate),
      timeElement(template.nextUpdate),
      // R3: absent where nothing is revoked; an empty list is an error to RFC 5280.
      lines.length === 0 ? lines : sequence(lines),
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
}

/** By serial number: short runs are sorted, then merged. */
function* inOrder(entries: readonly CrlEntry[]): Steps<readonly CrlEntry[]> {
  let runs: (readonly CrlEntry[])[] = []
  for (let start = 0; start < entries.length; start += LINES_AT_ONCE) {
    runs.push(entries.slice(start, start + LINES_AT_ONCE).sort(bySerial))
    yield
  }
  while (runs.length > 1) {
    const longer: (readonly CrlEntry[])[] = []
    for (let index = 0; index < runs.length; index += 2) {
      longer.push(yield* merged(runs[index] ?? [], runs[index + 1] ?? []))
    }
    runs = longer
  }
  return runs[0] ?? []
}

function* merged(left: readonly CrlEntry[], right: readonly CrlEntry[]): Steps<readonly CrlEntry[]> {
  const both: CrlEntry[] = []
  let [fromLeft, fromRight] = [0, 0]
  for (;;) {
    const [first, second] = [left[fromLeft], right[fromRight]]
    if (first === undefined && second === undefined) return both
    if (second === undefined || (first !== undefined && bySerial(first, second) <= 0)) {
      both.push(first as CrlEntry)
      fromLeft++
    } else {
      both.push(second)
      fromRight++
    }
    if (both.length % LINES_AT_ONCE === 0) yield
  }
}

/** The lines one behind the other. Throws TEMPLATE_INVALID when one appears twice or is from the future (R10). */
function* joined(entries: readonly CrlEntry[], thisUpdate: Instant): Steps<Bytes> {
  let length = 0
  for (const [index, entry] of entries.entries()) {
    refuseUnless(entry.revokedAt <= thisUpdate, 'revokedAt')
    const next = entries[index + 1]
    refuseUnless(next === undefined || bySerial(entry, next) !== 0, 'entries')
    length += entry.der.length
    if (index % LINES_AT_ONCE === 0) yield
  }
  const lines = new Uint8Array(length)
  let offset = 0
  for (const [index, { der }] of entries.entries()) {
    lines.set(der, offset)
    offset += der.length
    if (index % LINES_AT_ONCE === 0) yield
  }
  return lines
}

/** As numbers: both are positive and in their shortest form. */
function bySerial({ serial: left }: CrlEntry, { serial: right }: CrlEntry): number {
  if (left.length !== right.length) return left.length - right.length
  // A loop: nearly all differ in their first octets, where a call into the platform costs more than it compares.
  for (let index = 0; index < left.length; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** Throws TEMPLATE_INVALID; only the name of the wrong part is told. */
function refuseUnless(right: boolean, part: string): void {
  if (!right) throw x509Error('TEMPLATE_INVALID', { details: { part } })
}
