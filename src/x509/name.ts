import { fromUtf8, utf8, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { oidElement, sequence, tlv } from './der/build.ts'
import { derFault } from './der/fault.ts'
import { DerReader } from './der/reader.ts'
import { TAG } from './der/tags.ts'
import { x509Error } from './errors.ts'
import { OID } from './oids.ts'

const MAX_ATTRIBUTES = 32

/** One AttributeTypeAndValue of a Name (RFC 5280 section 4.1.2.4). */
export interface NameAttribute {
  readonly oid: string
  /** Undefined when the value is of a type that holds no text. */
  readonly text: string | undefined
  /** The value's whole element. */
  readonly value: Bytes
}

/** The attributes of one RelativeDistinguishedName; more than one is rare. */
export type RelativeName = readonly NameAttribute[]

export interface NameParts {
  readonly commonName?: string
  readonly organization?: string
  readonly serialNumber?: string
}

const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?]*$/

/** X.520 upper bounds. */
const UPPER_BOUND = 64

/** The Name without attributes, as the subject of an X.509-SVID has it. */
export const EMPTY_NAME: Bytes = sequence()

/**
 * A Name of organization, common name and serial number, in this order, each once. Text that fits PrintableString is
 * one, so that every reader has the same bytes; other text is UTF8String; a serial number is always printable.
 * @throws TEMPLATE_INVALID for an empty or long text, or a serial number that is not printable
 */
export function encodeName(parts: NameParts): Bytes {
  const attributes = [
    attribute(OID.organization, parts.organization),
    attribute(OID.commonName, parts.commonName),
    attribute(OID.serialNumber, parts.serialNumber),
  ]
  return sequence(...attributes.filter((element) => element !== undefined))
}

function attribute(oid: string, text: string | undefined): Bytes | undefined {
  if (text === undefined) return undefined
  const printable = PRINTABLE.test(text)
  if (text === '' || text.length > UPPER_BOUND || (oid === OID.serialNumber && !printable)) {
    throw x509Error('TEMPLATE_INVALID', { details: { attribute: oid } })
  }
  const value = tlv(printable ? TAG.printableString : TAG.utf8String, utf8(text))
  return tlv(TAG.set, sequence(oidElement(oid), value))
}

/** A Name element read whole: its attributes, with their texts. Faults are those of the encoding. */
export function readName(reader: DerReader): { der: Bytes; relativeNames: readonly RelativeName[] } {
  const fork = reader.fork()
  const der = reader.element(TAG.sequence)
  const sequenceReader = fork.enter(TAG.sequence)
  const relativeNames: RelativeName[] = []
  let count = 0
  while (!sequenceReader.atEnd()) {
    const start = sequenceReader.offset
    const attributes = readRelativeName(sequenceReader.enter(TAG.set))
    count += attributes.length
    if (attributes.length === 0 || count > MAX_ATTRIBUTES) throw derFault('DER_LENGTH', start)
    relativeNames.push(attributes)
  }
  return { der, relativeNames }
}

/** @throws CERTIFICATE_MALFORMED's causes (DER_…) */
export function parseName(der: Bytes): readonly RelativeName[] {
  const reader = DerReader.of(der)
  const { relativeNames } = readName(reader)
  reader.finish()
  return relativeNames
}

function readRelativeName(reader: DerReader): RelativeName {
  const attributes: NameAttribute[] = []
  while (!reader.atEnd()) {
    const pair = reader.enter(TAG.sequence)
    const oid = pair.oid()
    const tag = pair.nextTag
    const start = pair.offset
    const fork = pair.fork()
    const value = pair.element()
    pair.finish()
    attributes.push({ oid, value, text: textOf(tag, fork.content(tag), start) })
  }
  return attributes
}

const ASCII_TYPES: Readonly<Record<number, RegExp>> = {
  [TAG.printableString]: /^[A-Za-z0-9 '()+,\-./:=?*@&_]*$/, // the last four are not allowed, and common
  [TAG.numericString]: /^[0-9 ]*$/,
  [TAG.ia5String]: /^[\x00-\x7f]*$/,
}

/** The text of a string type. @throws DER_STRING when the type does not have its characters */
function textOf(tag: number, octets: Bytes, offset: number): string | undefined {
  if (tag === TAG.utf8String) return utf8Text(octets, offset)
  const latin1 = Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('latin1')
  if (tag === TAG.teletexString) return latin1
  const allowed = ASCII_TYPES[tag]
  if (allowed === undefined) return undefined
  if (!allowed.test(latin1)) throw derFault('DER_STRING', offset)
  return latin1
}

function utf8Text(octets: Bytes, offset: number): string {
  try {
    return fromUtf8(octets)
  } catch (error) {
    if (isWritError(error)) throw derFault('DER_STRING', offset)
    throw error
  }
}

/**
 * Whether a name lies within another (RFC 5280 sections 4.2.1.10 and 7.1): the base's relative names begin it. Text
 * compares without regard to case and runs of spaces, so that an exclusion cannot be dodged by spelling.
 */
export function isWithinName(name: readonly RelativeName[], base: readonly RelativeName[]): boolean {
  return base.length <= name.length && base.every((relative, index) => canonical(relative) === canonical(name[index]))
}

function canonical(relative: RelativeName | undefined): string {
  return (relative ?? [])
    .map(({ oid, text, value }) => `${oid}=${text === undefined ? Buffer.from(value).toString('hex') : folded(text)}`)
    .sort()
    .join('\u0000')
}

function folded(text: string): string {
  return `"${text.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')}"`
}
