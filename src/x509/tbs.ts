import type { Bytes } from '#kernel/bytes.ts'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Instant } from '#kernel/instant.ts'
import { isWritError } from '#kernel/errors.ts'
import { contextConstructed, TAG } from './der/tags.ts'
import { DerWriter } from './der/writer.ts'
import { x509Error } from './errors.ts'
import { extensionOid, writeExtension } from './extensions/write.ts'
import type { Extension } from './extensions/types.ts'
import { encodeAlgorithm } from './keys/signature-algorithm.ts'
import { isSerial } from './serial.ts'

/** Everything that a certificate says, before it is signed. Names and key are DER; `encodeName` makes the names. */
export interface TbsTemplate {
  /** Contents octets of a positive INTEGER, at most 20, in the shortest form. */
  readonly serial: Bytes
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly issuer: Bytes
  /** Whole seconds; so is `notAfter`. */
  readonly notBefore: Instant
  readonly notAfter: Instant
  readonly subject: Bytes
  /** DER SubjectPublicKeyInfo. */
  readonly subjectPublicKey: Bytes
  /** In the order of the certificate. */
  readonly extensions: readonly Extension[]
}

const VERSION_3 = new Uint8Array([0xa0, 0x03, 0x02, 0x01, 0x02])
const EMPTY_NAME_LENGTH = 2

/**
 * TBSCertificate, version 3 (RFC 5280 section 4.1): one template, one encoding.
 * @throws TEMPLATE_INVALID for a template that could only make a certificate which RFC 5280 forbids
 */
export function encodeTbs(template: TbsTemplate): Bytes {
  checkTemplate(template)
  try {
    return write(template)
  } catch (cause) {
    if (isWritError(cause) && cause.code !== 'TEMPLATE_INVALID') throw x509Error('TEMPLATE_INVALID', { cause })
    throw cause
  }
}

function write(template: TbsTemplate): Bytes {
  const writer = new DerWriter()
  if (template.extensions.length > 0) writeExtensions(writer, template.extensions)
  writer.raw(template.subjectPublicKey)
  writer.raw(template.subject)
  const validity = writer.written
  writer.time(template.notAfter)
  writer.time(template.notBefore)
  writer.wrap(TAG.sequence, validity)
  writer.raw(template.issuer)
  writer.raw(encodeAlgorithm(template.signatureAlgorithm))
  writer.element(TAG.integer, template.serial)
  writer.raw(VERSION_3)
  writer.wrap(TAG.sequence, 0)
  return writer.finish()
}

function writeExtensions(writer: DerWriter, extensions: readonly Extension[]): void {
  for (const extension of extensions.toReversed()) writeExtension(writer, extension)
  writer.wrap(TAG.sequence, 0)
  writer.wrap(contextConstructed(3), 0)
}

/** Certificate ::= SEQUENCE of the signed part, its algorithm and the signature. */
export function assembleCertificate(tbs: Bytes, algorithm: SignatureAlgorithm, signature: Bytes): Bytes {
  const writer = new DerWriter()
  writer.raw(signature)
  writer.octet(0)
  writer.wrap(TAG.bitString, 0)
  writer.raw(encodeAlgorithm(algorithm))
  writer.raw(tbs)
  writer.wrap(TAG.sequence, 0)
  return writer.finish()
}

function checkTemplate(template: TbsTemplate): void {
  refuseUnless(isSerial(template.serial), 'serial')
  refuseUnless(template.issuer.length > EMPTY_NAME_LENGTH && template.issuer[0] === TAG.sequence, 'issuer')
  refuseUnless(template.subject.length >= EMPTY_NAME_LENGTH && template.subject[0] === TAG.sequence, 'subject')
  refuseUnless(template.subjectPublicKey[0] === TAG.sequence, 'subjectPublicKey')
  refuseUnless(template.notBefore <= template.notAfter, 'validity')
  checkExtensions(template)
}

/** Throws TEMPLATE_INVALID; only the name of the wrong part is told. */
function refuseUnless(right: boolean, part: string): void {
  if (!right) throw x509Error('TEMPLATE_INVALID', { details: { part } })
}

function checkExtensions({ extensions, subject }: TbsTemplate): void {
  refuseUnless(new Set(extensions.map(extensionOid)).size === extensions.length, 'extensions')
  extensions.forEach(checkExtension)
  if (subject.length > EMPTY_NAME_LENGTH) return
  refuseUnless(
    extensions.some(({ kind, critical }) => kind === 'subjectAltName' && critical),
    'subject',
  )
  refuseUnless(!extensions.some((extension) => extension.kind === 'basicConstraints' && extension.ca), 'subject')
}

function checkExtension(extension: Extension): void {
  if (extension.kind === 'basicConstraints') {
    refuseUnless(extension.ca || extension.pathLength === undefined, extension.kind)
  } else if (extension.kind === 'keyUsage') {
    refuseUnless(extension.usages.length > 0, extension.kind)
  } else if (extension.kind === 'crlDistributionPoints') {
    refuseUnless(extension.uris.length > 0, extension.kind)
  } else if (extension.kind === 'nameConstraints') {
    refuseUnless(extension.critical && extension.permitted.length + extension.excluded.length > 0, extension.kind)
  }
}
