import type { Bytes } from '#kernel/bytes.ts'
import { oidElement } from '../der/build.ts'
import { contextConstructed, contextPrimitive, TAG } from '../der/tags.ts'
import type { DerWriter } from '../der/writer.ts'
import { x509Error } from '../errors.ts'
import { ATTESTATION_OID, OID, PURPOSE } from '../oids.ts'
import { writeAttestation } from './attestation.ts'
import { writeGeneralName } from './general-name.ts'
import { writeNameConstraints } from './name-constraints.ts'
import {
  KEY_USAGES,
  type AuthorityInfoAccess,
  type AuthorityKeyIdentifier,
  type BasicConstraints,
  type CrlDistributionPoints,
  type Extension,
  type ExtensionOf,
  type ExtKeyUsage,
  type KeyUsageExtension,
  type KnownExtensionKind,
  type OtherExtension,
  type SubjectAltName,
  type SubjectKeyIdentifier,
} from './types.ts'

const OIDS: Readonly<Record<KnownExtensionKind, string>> = {
  basicConstraints: OID.basicConstraints,
  keyUsage: OID.keyUsage,
  extKeyUsage: OID.extKeyUsage,
  subjectAltName: OID.subjectAltName,
  authorityKeyIdentifier: OID.authorityKeyIdentifier,
  subjectKeyIdentifier: OID.subjectKeyIdentifier,
  crlDistributionPoints: OID.crlDistributionPoints,
  authorityInfoAccess: OID.authorityInfoAccess,
  nameConstraints: OID.nameConstraints,
  ocspNoCheck: OID.ocspNoCheck,
  writAttestation: ATTESTATION_OID,
}

const OID_ELEMENTS = new Map<string, Bytes>(Object.values(OIDS).map((oid) => [oid, oidElement(oid)]))

/** Object identifiers recur; encoding one costs more than the rest of its extension. */
const METHOD_ELEMENTS = { ocsp: oidElement(OID.ocsp), caIssuers: oidElement(OID.caIssuers) }
const PURPOSE_ELEMENTS = new Map<string, Bytes>(Object.values(PURPOSE).map((oid) => [oid, oidElement(oid)]))

export function extensionOid(extension: Extension): string {
  if (extension.kind === 'other') return extension.oid
  return (extension.kind === 'writAttestation' ? extension.oid : undefined) ?? OIDS[extension.kind]
}

/** Writes one whole Extension. @throws TEMPLATE_INVALID */
export function writeExtension(writer: DerWriter, extension: Extension): void {
  const mark = writer.written
  const write = WRITERS[extension.kind] as (writer: DerWriter, extension: Extension) => void
  write(writer, extension)
  writer.wrap(TAG.octetString, mark)
  if (extension.critical) writer.true()
  const oid = extensionOid(extension)
  writer.raw(OID_ELEMENTS.get(oid) ?? oidElement(oid))
  writer.wrap(TAG.sequence, mark)
}

type Writers = { readonly [Kind in Extension['kind']]: (writer: DerWriter, extension: ExtensionOf<Kind>) => void }

/** How the contents of each value are written. */
const WRITERS: Writers = {
  basicConstraints: writeBasicConstraints,
  keyUsage: writeKeyUsage,
  extKeyUsage: writeExtKeyUsage,
  subjectAltName: writeSubjectAltName,
  authorityKeyIdentifier: writeAuthorityKeyIdentifier,
  subjectKeyIdentifier: writeSubjectKeyIdentifier,
  crlDistributionPoints: writeCrlDistributionPoints,
  authorityInfoAccess: writeAuthorityInfoAccess,
  nameConstraints: writeNameConstraints,
  ocspNoCheck: writeOcspNoCheck,
  writAttestation: writeAttestation,
  other: writeOther,
}

/** SEQUENCE OF, written backwards; the lists of certificates are never empty. */
function writeList<Item>(writer: DerWriter, items: readonly Item[], write: (item: Item) => void): void {
  if (items.length === 0) throw x509Error('TEMPLATE_INVALID', { message: 'an empty list in an extension' })
  const mark = writer.written
  for (let index = items.length - 1; index >= 0; index--) write(items[index] as Item)
  writer.wrap(TAG.sequence, mark)
}

function writeBasicConstraints(writer: DerWriter, { ca, pathLength }: BasicConstraints): void {
  const mark = writer.written
  if (pathLength !== undefined) writer.number(pathLength)
  if (ca) writer.true()
  writer.wrap(TAG.sequence, mark)
}

/** A named-bit list without trailing zeros. */
function writeKeyUsage(writer: DerWriter, { usages }: KeyUsageExtension): void {
  let bits = 0
  let highest = 0
  for (const usage of usages) {
    const bit = KEY_USAGES.indexOf(usage)
    bits |= 0x8000 >> bit
    highest = Math.max(highest, bit)
  }
  const octets = highest < 8 ? [bits >> 8] : [bits >> 8, bits & 0xff]
  writer.element(TAG.bitString, new Uint8Array([7 - (highest & 7), ...octets]))
}

function writeExtKeyUsage(writer: DerWriter, { purposes }: ExtKeyUsage): void {
  writeList(writer, purposes, (purpose) => {
    writer.raw(purposeElement(purpose))
  })
}

function writeSubjectAltName(writer: DerWriter, { names }: SubjectAltName): void {
  writeList(writer, names, (name) => {
    writeGeneralName(writer, name)
  })
}

function writeSubjectKeyIdentifier(writer: DerWriter, { keyIdentifier }: SubjectKeyIdentifier): void {
  writer.element(TAG.octetString, keyIdentifier)
}

function writeOcspNoCheck(writer: DerWriter): void {
  writer.element(TAG.null, new Uint8Array())
}

function writeOther(writer: DerWriter, { value }: OtherExtension): void {
  writer.raw(value)
}

function purposeElement(oid: string): Bytes {
  return PURPOSE_ELEMENTS.get(oid) ?? oidElement(oid)
}

function writeAuthorityKeyIdentifier(writer: DerWriter, extension: AuthorityKeyIdentifier): void {
  const mark = writer.written
  if (extension.issuerAndSerial !== undefined) writer.raw(extension.issuerAndSerial)
  if (extension.keyIdentifier !== undefined) writer.element(contextPrimitive(0), extension.keyIdentifier)
  writer.wrap(TAG.sequence, mark)
}

function writeCrlDistributionPoints(writer: DerWriter, { uris }: CrlDistributionPoints): void {
  const mark = writer.written
  for (const uri of uris.toReversed()) writeGeneralName(writer, { type: 'uri', value: uri })
  writer.wrap(contextConstructed(0), mark)
  writer.wrap(contextConstructed(0), mark)
  writer.wrap(TAG.sequence, mark)
  writer.wrap(TAG.sequence, mark)
}

function writeAuthorityInfoAccess(writer: DerWriter, { accesses }: AuthorityInfoAccess): void {
  writeList(writer, accesses, ({ method, uri }) => {
    const mark = writer.written
    writeGeneralName(writer, { type: 'uri', value: uri })
    writer.raw(METHOD_ELEMENTS[method])
    writer.wrap(TAG.sequence, mark)
  })
}
