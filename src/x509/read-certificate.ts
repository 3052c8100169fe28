import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import { refuseAs } from './der/fault.ts'
import { DerReader } from './der/reader.ts'
import { contextConstructed, contextPrimitive, TAG } from './der/tags.ts'
import { readTime } from './der/time.ts'
import { x509Error } from './errors.ts'
import { decodeExtension, readRawExtensions, type RawExtension } from './extensions/read.ts'
import type { Extension } from './extensions/types.ts'
import { parsePublicKey, type PublicKey } from './keys/public-key.ts'
import { readAlgorithm, type AlgorithmIdentifier } from './keys/signature-algorithm.ts'
import { readName } from './name.ts'
import { isSerial } from './serial.ts'

export interface CertificateParts {
  readonly tbs: Bytes
  readonly serial: Bytes
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Bytes
  readonly issuer: Bytes
  readonly subject: Bytes
  readonly notBefore: Instant
  readonly notAfter: Instant
  readonly publicKey: PublicKey
  readonly extensions: readonly Extension[]
}

interface Limits {
  readonly maxBytes: number
  readonly maxExtensions: number
  readonly attestationOid?: string | undefined
}

const V3 = 2

/** The structure first, cheaply and whole; then what it holds, the key last. Throws what `parseCertificate` promises. */
export function readCertificate(der: Bytes, limits: Limits): CertificateParts {
  if (der.length > limits.maxBytes) throw x509Error('CERTIFICATE_TOO_LARGE', { details: { length: der.length } })
  const outer = refuseAs('CERTIFICATE_MALFORMED', () => readSigned(der))
  const fields = refuseAs('CERTIFICATE_MALFORMED', () => readTbs(outer.tbs, limits))
  if (!isSameAlgorithm(outer.algorithm, fields.algorithm)) throw x509Error('CERTIFICATE_ALGORITHM')
  const extensions = fields.extensions.map((raw) => decodeExtension(raw, limits.attestationOid))
  checkNames(fields, extensions)
  const { serial, issuer, subject, notBefore, notAfter } = fields
  return {
    tbs: outer.tbs,
    serial,
    signatureAlgorithm: outer.algorithm,
    signature: outer.signature,
    issuer,
    subject,
    notBefore,
    notAfter,
    publicKey: parsePublicKey(fields.spki),
    extensions,
  }
}

function readSigned(der: Bytes): { tbs: Bytes; algorithm: AlgorithmIdentifier; signature: Bytes } {
  const outer = DerReader.of(der)
  const certificate = outer.enter(TAG.sequence)
  outer.finish()
  const tbs = certificate.element(TAG.sequence)
  const algorithm = readAlgorithm(certificate)
  const signature = certificate.octetBits()
  certificate.finish()
  return { tbs, algorithm, signature }
}

interface TbsFields {
  readonly serial: Bytes
  readonly algorithm: AlgorithmIdentifier
  readonly issuer: Bytes
  readonly notBefore: Instant
  readonly notAfter: Instant
  readonly subject: Bytes
  readonly spki: Bytes
  readonly extensions: readonly RawExtension[]
}

function readTbs(der: Bytes, limits: Limits): TbsFields {
  const tbs = DerReader.of(der).enter(TAG.sequence)
  readVersion(tbs)
  const serial = readSerial(tbs)
  const algorithm = readAlgorithm(tbs)
  const issuer = readName(tbs).der
  const { notBefore, notAfter } = readValidity(tbs.enter(TAG.sequence))
  const subject = readName(tbs).der
  const spki = tbs.element(TAG.sequence)
  const extensions = readTail(tbs, limits.maxExtensions)
  return { serial, algorithm, issuer, notBefore, notAfter, subject, spki, extensions }
}

/** C1: absent means version 1, which has no extensions and so cannot say that it is no authority. */
function readVersion(tbs: DerReader): void {
  if (tbs.nextTag !== contextConstructed(0)) throw x509Error('CERTIFICATE_VERSION')
  const wrapper = tbs.enter(contextConstructed(0))
  const version = wrapper.smallInteger(255)
  wrapper.finish()
  if (version !== V3) throw x509Error('CERTIFICATE_VERSION', { details: { version: version + 1 } })
}

/** C2 */
function readSerial(tbs: DerReader): Bytes {
  const serial = tbs.integer()
  if (!isSerial(serial)) throw x509Error('CERTIFICATE_SERIAL')
  return serial
}

function readValidity(validity: DerReader): { notBefore: Instant; notAfter: Instant } {
  const notBefore = readTime(validity)
  const notAfter = readTime(validity)
  validity.finish()
  if (notAfter < notBefore) throw x509Error('CERTIFICATE_VALIDITY')
  return { notBefore, notAfter }
}

/** C7 and C8 */
function readTail(tbs: DerReader, maxExtensions: number): readonly RawExtension[] {
  if (tbs.nextTag === contextPrimitive(1) || tbs.nextTag === contextPrimitive(2)) {
    throw x509Error('CERTIFICATE_UNIQUE_ID')
  }
  if (tbs.atEnd()) return []
  const wrapper = tbs.enter(contextConstructed(3))
  const extensions = readRawExtensions(wrapper, maxExtensions)
  wrapper.finish()
  tbs.finish()
  return extensions
}

/** C3: byte for byte, with the parameters of the standard. */
function isSameAlgorithm(outer: AlgorithmIdentifier, inner: AlgorithmIdentifier): boolean {
  return !outer.wrongParameters && Buffer.compare(outer.der, inner.der) === 0
}

const EMPTY_NAME_LENGTH = 2

/** C4 and C6 */
function checkNames(fields: TbsFields, extensions: readonly Extension[]): void {
  if (fields.issuer.length === EMPTY_NAME_LENGTH) throw x509Error('CERTIFICATE_NAME')
  if (fields.subject.length !== EMPTY_NAME_LENGTH) return
  const isAuthority = extensions.some((extension) => extension.kind === 'basicConstraints' && extension.ca)
  const named = extensions.some((extension) => extension.kind === 'subjectAltName' && extension.critical)
  if (isAuthority || !named) throw x509Error('CERTIFICATE_NAME')
}
