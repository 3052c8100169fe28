import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { derFault, refuseAs } from './der/fault.ts'
import { DerReader } from './der/reader.ts'
import { contextConstructed, TAG } from './der/tags.ts'
import { checkWellFormed } from './der/well-formed.ts'
import { x509Error } from './errors.ts'
import { decodeExtension, readRawExtensions, type RawExtension } from './extensions/read.ts'
import { readAlgorithm, type AlgorithmIdentifier } from './keys/signature-algorithm.ts'
import { readName } from './name.ts'
import { OID } from './oids.ts'

export interface CsrFields {
  /** CertificationRequestInfo: the exact octets that the signature covers. */
  readonly info: Bytes
  readonly spki: Bytes
  readonly uris: readonly string[]
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Bytes
}

const MAX_ATTRIBUTES = 16
const MAX_EXTENSIONS = 32
const ATTRIBUTES = contextConstructed(0)

/** CertificationRequest (RFC 2986 section 4), with nothing verified yet. @throws CSR_MALFORMED, CSR_MUST_STAPLE */
export function readCsr(der: Bytes): CsrFields {
  return refuseAs('CSR_MALFORMED', () => {
    const outer = DerReader.of(der)
    const request = outer.enter(TAG.sequence)
    outer.finish()
    const info = request.element(TAG.sequence)
    const signatureAlgorithm = readAlgorithm(request)
    const signature = request.octetBits()
    request.finish()
    return { ...readInfo(info), info, signatureAlgorithm, signature }
  })
}

function readInfo(der: Bytes): { spki: Bytes; uris: readonly string[] } {
  const info = DerReader.of(der).enter(TAG.sequence)
  info.smallInteger(0)
  readName(info)
  const spki = info.element(TAG.sequence)
  const attributes = info.fork()
  checkWellFormed(info.element(ATTRIBUTES))
  info.finish()
  return { spki, uris: requestedUris(readAttributes(attributes.enter(ATTRIBUTES))) }
}

/** The extensions of the one extensionRequest (RFC 2985 section 5.4.2); other attributes are stepped over. */
function readAttributes(attributes: DerReader): readonly RawExtension[] {
  let extensions: readonly RawExtension[] | undefined
  for (let count = 0; !attributes.atEnd(); count++) {
    const start = attributes.offset
    const attribute = attributes.enter(TAG.sequence)
    const oid = attribute.oid()
    const values = attribute.enter(TAG.set)
    attribute.finish()
    if (count === MAX_ATTRIBUTES || (oid === OID.extensionRequest && extensions !== undefined)) {
      throw derFault('DER_LENGTH', start)
    }
    if (oid !== OID.extensionRequest) continue
    extensions = readRequested(values)
    values.finish()
  }
  return extensions ?? []
}

function readRequested(values: DerReader): readonly RawExtension[] {
  try {
    return readRawExtensions(values, MAX_EXTENSIONS)
  } catch (cause) {
    if (isWritError(cause, 'CERTIFICATE_DUPLICATE_EXTENSION', 'CERTIFICATE_TOO_MANY_EXTENSIONS')) {
      throw x509Error('CSR_MALFORMED', { cause })
    }
    throw cause
  }
}

function requestedUris(extensions: readonly RawExtension[]): readonly string[] {
  if (extensions.some(({ oid }) => oid === OID.tlsFeature)) throw x509Error('CSR_MUST_STAPLE')
  const altName = extensions.find(({ oid }) => oid === OID.subjectAltName)
  if (altName === undefined) return []
  const extension = decodeRequested(altName)
  const names = extension.kind === 'subjectAltName' ? extension.names : []
  return names.filter((name) => name.type === 'uri').map((name) => name.value)
}

function decodeRequested(raw: RawExtension) {
  try {
    return decodeExtension(raw)
  } catch (cause) {
    if (isWritError(cause, 'CERTIFICATE_EXTENSION')) throw x509Error('CSR_MALFORMED', { cause })
    throw cause
  }
}
