import type { Bytes } from '#kernel/bytes.ts'
import { derFault } from '../der/fault.ts'
import type { DerReader } from '../der/reader.ts'
import { contextConstructed, contextPrimitive } from '../der/tags.ts'
import type { DerWriter } from '../der/writer.ts'
import { readName } from '../name.ts'
import type { GeneralName } from './types.ts'

const EMAIL = contextPrimitive(1)
const DNS = contextPrimitive(2)
const DIRECTORY = contextConstructed(4)
const URI = contextPrimitive(6)
const IP = contextPrimitive(7)

/** The other choices of GeneralName: otherName, x400Address, ediPartyName, registeredID. */
const OTHER_CHOICES: ReadonlySet<number> = new Set([
  contextConstructed(0),
  contextConstructed(3),
  contextConstructed(5),
  contextPrimitive(8),
])

const TEXT_TYPES = new Map<number, 'email' | 'dns' | 'uri'>([
  [EMAIL, 'email'],
  [DNS, 'dns'],
  [URI, 'uri'],
])

/** One GeneralName; `ipLengths` are the sizes that an address may have where it stands. */
export function readGeneralName(reader: DerReader, ipLengths: readonly number[]): GeneralName {
  const tag = reader.nextTag
  const start = reader.offset
  const textType = TEXT_TYPES.get(tag)
  if (textType !== undefined) return { type: textType, value: ia5Text(reader.content(tag), start) }
  if (tag === IP) {
    const value = reader.content(tag)
    if (!ipLengths.includes(value.length)) throw derFault('DER_LENGTH', start)
    return { type: 'ip', value }
  }
  if (tag === DIRECTORY) {
    const inner = reader.enter(tag)
    const { der } = readName(inner)
    inner.finish()
    return { type: 'directory', value: der }
  }
  if (!OTHER_CHOICES.has(tag)) throw derFault('DER_TAG', start)
  return { type: 'other', tag, value: reader.element() }
}

/** IA5String contents without control characters: a NUL in a name has fooled verifiers before. @throws DER_STRING */
export function ia5Text(octets: Bytes, offset: number): string {
  for (const octet of octets) {
    if (octet < 0x20 || octet > 0x7e) throw derFault('DER_STRING', offset)
  }
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('latin1')
}

export function writeGeneralName(writer: DerWriter, name: GeneralName): void {
  switch (name.type) {
    case 'uri':
      writer.text(URI, name.value)
      return
    case 'dns':
      writer.text(DNS, name.value)
      return
    case 'email':
      writer.text(EMAIL, name.value)
      return
    case 'ip':
      writer.element(IP, name.value)
      return
    case 'directory':
      writer.element(DIRECTORY, name.value)
      return
    case 'other':
      writer.raw(name.value)
  }
}
