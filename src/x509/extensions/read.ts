import type { Bytes } from '#kernel/bytes.ts'
import { derFault, refuseAs } from '../der/fault.ts'
import { DerReader } from '../der/reader.ts'
import { contextConstructed, contextPrimitive, TAG } from '../der/tags.ts'
import { x509Error } from '../errors.ts'
import { ATTESTATION_OID, OID } from '../oids.ts'
import { readAttestation } from './attestation.ts'
import { readGeneralName } from './general-name.ts'
import { readAuthorityInfoAccess, readCrlDistributionPoints } from './locations.ts'
import { readNameConstraints } from './name-constraints.ts'
import { KEY_USAGES, type Extension, type GeneralName, type KeyUsage } from './types.ts'

/** Reads the contents of an extension's value; undefined when its form is legal and not represented. */
type ReadValue = (value: DerReader, critical: boolean) => Extension | undefined

const READERS = new Map<string, ReadValue>([
  [OID.basicConstraints, readBasicConstraints],
  [OID.keyUsage, readKeyUsage],
  [OID.extKeyUsage, readExtKeyUsage],
  [OID.subjectAltName, readSubjectAltName],
  [OID.authorityKeyIdentifier, readAuthorityKeyIdentifier],
  [OID.subjectKeyIdentifier, readSubjectKeyIdentifier],
  [OID.nameConstraints, readNameConstraints],
  [OID.crlDistributionPoints, readCrlDistributionPoints],
  [OID.authorityInfoAccess, readAuthorityInfoAccess],
  [OID.ocspNoCheck, readOcspNoCheck],
])

export interface RawExtension {
  readonly oid: string
  readonly critical: boolean
  readonly value: Bytes
}

/**
 * Extensions ::= SEQUENCE OF Extension, each at most once (RFC 5280 section 4.2), none decoded yet.
 * @throws CERTIFICATE_DUPLICATE_EXTENSION, CERTIFICATE_TOO_MANY_EXTENSIONS, DER_…
 */
export function readRawExtensions(reader: DerReader, limit: number): readonly RawExtension[] {
  const list = reader.enter(TAG.sequence)
  if (list.atEnd()) throw derFault('DER_TRUNCATED', list.offset)
  const extensions = new Map<string, RawExtension>()
  while (!list.atEnd()) {
    if (extensions.size === limit) throw x509Error('CERTIFICATE_TOO_MANY_EXTENSIONS', { details: { limit } })
    const item = list.enter(TAG.sequence)
    const oid = item.oid()
    const critical = item.defaultFalse()
    const value = item.octetString()
    item.finish()
    if (extensions.has(oid)) throw x509Error('CERTIFICATE_DUPLICATE_EXTENSION', { details: { oid } })
    extensions.set(oid, { oid, critical, value })
  }
  return [...extensions.values()]
}

/** Decodes what is known; the rest stays `other`. @throws CERTIFICATE_EXTENSION */
export function decodeExtension(raw: RawExtension, attestationOid: string = ATTESTATION_OID): Extension {
  const read = raw.oid === attestationOid ? attestationReader(raw.oid) : READERS.get(raw.oid)
  if (read === undefined) return { kind: 'other', ...raw }
  return refuseAs('CERTIFICATE_EXTENSION', () => {
    const reader = DerReader.of(raw.value)
    const extension = read(reader, raw.critical)
    if (extension === undefined) return { kind: 'other', ...raw }
    reader.finish()
    return extension
  })
}

function attestationReader(oid: string): ReadValue {
  return (value, critical) => {
    const attestation = readAttestation(value, critical)
    return attestation && { ...attestation, oid }
  }
}

function readBasicConstraints(value: DerReader, critical: boolean): Extension {
  const fields = value.enter(TAG.sequence)
  const ca = fields.defaultFalse()
  const pathLength = fields.nextTag === TAG.integer ? fields.smallInteger(255) : undefined
  fields.finish()
  return { kind: 'basicConstraints', critical, ca, pathLength }
}

/** A named-bit list in its shortest form with at least one bit (X.690 section 11.2.2, RFC 5280 section 4.2.1.3). */
function readKeyUsage(value: DerReader, critical: boolean): Extension {
  const start = value.offset
  const { unused, bytes } = value.bitString()
  const last = bytes[bytes.length - 1] ?? 0
  if (bytes.length > 2 || ((last >> unused) & 1) === 0) throw derFault('DER_BIT_STRING', start)
  const isSet = (_: KeyUsage, bit: number) => (((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1
  if (bytes.length * 8 - unused > KEY_USAGES.length) throw derFault('DER_BIT_STRING', start)
  return { kind: 'keyUsage', critical, usages: KEY_USAGES.filter(isSet) }
}

function readExtKeyUsage(value: DerReader, critical: boolean): Extension {
  const list = value.enter(TAG.sequence)
  const purposes: string[] = []
  do purposes.push(list.oid())
  while (!list.atEnd())
  return { kind: 'extKeyUsage', critical, purposes }
}

function readSubjectAltName(value: DerReader, critical: boolean): Extension {
  const list = value.enter(TAG.sequence)
  const names: GeneralName[] = []
  do names.push(readGeneralName(list, [4, 16]))
  while (!list.atEnd())
  return { kind: 'subjectAltName', critical, names }
}

function readAuthorityKeyIdentifier(value: DerReader, critical: boolean): Extension {
  const fields = value.enter(TAG.sequence)
  const keyIdentifier = fields.nextTag === contextPrimitive(0) ? fields.content(contextPrimitive(0)) : undefined
  if (fields.atEnd()) return { kind: 'authorityKeyIdentifier', critical, keyIdentifier, issuerAndSerial: undefined }
  const start = fields.offset
  const rest = fields.fork()
  fields.element(contextConstructed(1))
  fields.element(contextPrimitive(2))
  const issuerAndSerial = rest.span(fields.offset - start)
  fields.finish()
  return { kind: 'authorityKeyIdentifier', critical, keyIdentifier, issuerAndSerial }
}

function readSubjectKeyIdentifier(value: DerReader, critical: boolean): Extension {
  const start = value.offset
  const keyIdentifier = value.octetString()
  if (keyIdentifier.length === 0) throw derFault('DER_LENGTH', start)
  return { kind: 'subjectKeyIdentifier', critical, keyIdentifier }
}

function readOcspNoCheck(value: DerReader, critical: boolean): Extension {
  value.null()
  return { kind: 'ocspNoCheck', critical }
}
