import { fromHex, type Bytes } from '#kernel/bytes.ts'
import { oidElement, sequence, tlv } from '../der/build.ts'
import { derFault } from '../der/fault.ts'
import { DerReader } from '../der/reader.ts'
import { contextConstructed, contextPrimitive, TAG } from '../der/tags.ts'
import { DerWriter } from '../der/writer.ts'
import { ia5Text, writeGeneralName } from '../extensions/general-name.ts'
import { writeExtension } from '../extensions/write.ts'
import { OID } from '../oids.ts'
import type { CrlScope } from './types.ts'

const CRL_NUMBER = oidElement(OID.crlNumber)
const ISSUING_DISTRIBUTION_POINT = oidElement(OID.issuingDistributionPoint)
const CRITICAL = new Uint8Array([TAG.boolean, 1, 0xff])
const FULL_NAME = contextConstructed(0)
const URI = contextPrimitive(6)

/** What a CRL says in extensions. */
export interface CrlExtensionFields {
  /** The issuer's subject key identifier (R4). */
  readonly authorityKeyIdentifier: Bytes
  /** Rises with every CRL of this issuer and scope (R4). */
  readonly number: bigint
  /** Undefined for a CRL of everything that the issuer signed. */
  readonly scope?: CrlScope | undefined
}

/** Extensions ::= key identifier, number, and where the CRL is not of everything, its scope, critical (R4, R6). */
export function crlExtensions({ authorityKeyIdentifier, number, scope }: CrlExtensionFields): Bytes {
  const writer = new DerWriter(256)
  if (scope !== undefined) {
    writer.raw(sequence(ISSUING_DISTRIBUTION_POINT, CRITICAL, tlv(TAG.octetString, encodeScope(scope))))
  }
  writer.raw(sequence(CRL_NUMBER, tlv(TAG.octetString, tlv(TAG.integer, integerOctets(number)))))
  writeExtension(writer, {
    kind: 'authorityKeyIdentifier',
    critical: false,
    keyIdentifier: authorityKeyIdentifier,
    issuerAndSerial: undefined,
  })
  writer.wrap(TAG.sequence, 0)
  return writer.finish()
}

function integerOctets(number: bigint): Bytes {
  const hex = number.toString(16)
  const octets = fromHex(hex.length % 2 === 0 ? hex : `0${hex}`)
  return (octets[0] ?? 0) < 0x80 ? octets : new Uint8Array([0, ...octets])
}

/** IssuingDistributionPoint: its name is encoded exactly as in the certificates' crlDistributionPoints. */
function encodeScope({ distributionPoint, only }: CrlScope): Bytes {
  const writer = new DerWriter(256)
  if (only !== undefined) {
    writer.element(contextPrimitive(only === 'userCertificates' ? 1 : 2), new Uint8Array([0xff]))
  }
  if (distributionPoint !== undefined) {
    const mark = writer.written
    writeGeneralName(writer, { type: 'uri', value: distributionPoint })
    writer.wrap(FULL_NAME, mark)
    writer.wrap(contextConstructed(0), mark)
  }
  writer.wrap(TAG.sequence, 0)
  return writer.finish()
}

/** What `encodeScope` writes and nothing else; undefined for other scopes, which are legal and not ours. */
export function readScope(value: Bytes): CrlScope | undefined {
  const outer = DerReader.of(value)
  const fields = outer.enter(TAG.sequence)
  outer.finish()
  if (fields.atEnd()) throw derFault('DER_TRUNCATED', fields.offset)
  const distributionPoint = fields.nextTag === contextConstructed(0) ? readPoint(fields) : undefined
  const only = readOnly(fields)
  return fields.atEnd() ? { distributionPoint, only } : undefined
}

function readPoint(fields: DerReader): string {
  const name = fields.enter(contextConstructed(0))
  const fullName = name.enter(FULL_NAME)
  name.finish()
  const uri = ia5Text(fullName.content(URI), fullName.offset)
  fullName.finish()
  return uri
}

function readOnly(fields: DerReader): CrlScope['only'] {
  const tag = fields.nextTag
  if (tag !== contextPrimitive(1) && tag !== contextPrimitive(2)) return undefined
  const start = fields.offset
  const octets = fields.content(tag)
  if (octets.length !== 1 || octets[0] !== 0xff) throw derFault('DER_BOOLEAN', start)
  return tag === contextPrimitive(1) ? 'userCertificates' : 'authorityCertificates'
}
