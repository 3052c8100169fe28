import type { KeyClass, KeyClassSource } from '#kernel/algorithms.ts'
import { instant } from '#kernel/instant.ts'
import { derFault } from '../der/fault.ts'
import type { DerReader } from '../der/reader.ts'
import { contextPrimitive, TAG } from '../der/tags.ts'
import type { DerWriter } from '../der/writer.ts'
import { x509Error } from '../errors.ts'
import { ia5Text } from './general-name.ts'
import type { WritAttestation } from './types.ts'

const VERSION = 1
const KEY_CLASSES: readonly KeyClass[] = ['software', 'hsm', 'tpm']
const SOURCES: readonly KeyClassSource[] = ['attested', 'declared']
const MAX_TEXT = 64
const DIGEST_BYTES = 32
/** `instance [0] IMPLICIT UTF8String OPTIONAL`. */
const INSTANCE = contextPrimitive(0)
const PRINTABLE = /^[\x20-\x7e]{1,64}$/
const LATEST = 253_402_300_799_000

/** WritAttestation of docs/attestation-extension.asn1.md; a later version is read as an extension not understood. */
export function readAttestation(value: DerReader, critical: boolean): WritAttestation | undefined {
  const fields = value.enter(TAG.sequence)
  const start = fields.offset
  if (fields.smallInteger(255) !== VERSION) return undefined
  const issuedAt = instant(fields.smallInteger(LATEST))
  const keyClass = enumerated(fields, KEY_CLASSES)
  const keyClassSource = enumerated(fields, SOURCES)
  const attestor = boundedText(fields, TAG.utf8String)
  const evidenceDigest = fields.octetString()
  const named = fields.atEnd() ? {} : { instance: boundedText(fields, INSTANCE) }
  fields.finish()
  if (evidenceDigest.length !== DIGEST_BYTES) throw derFault('DER_LENGTH', start)
  const attestation = { issuedAt, keyClass, keyClassSource, attestor, evidenceDigest }
  return { kind: 'writAttestation', critical, ...attestation, ...named }
}

function boundedText(fields: DerReader, tag: number): string {
  const start = fields.offset
  const text = ia5Text(fields.content(tag), start)
  if (text === '' || text.length > MAX_TEXT) throw derFault('DER_LENGTH', start)
  return text
}

function enumerated<Value>(fields: DerReader, values: readonly Value[]): Value {
  const start = fields.offset
  const octets = fields.content(TAG.enumerated)
  const value = octets.length === 1 ? values[octets[0] ?? values.length] : undefined
  if (value === undefined) throw derFault('DER_INTEGER', start)
  return value
}

/** @throws TEMPLATE_INVALID */
export function writeAttestation(writer: DerWriter, extension: WritAttestation): void {
  const { attestor, evidenceDigest, instance } = extension
  const isText = PRINTABLE.test(attestor) && (instance === undefined || PRINTABLE.test(instance))
  if (!isText || evidenceDigest.length !== DIGEST_BYTES) {
    throw x509Error('TEMPLATE_INVALID', { details: { extension: extension.kind } })
  }
  const mark = writer.written
  if (instance !== undefined) writer.text(INSTANCE, instance)
  writer.element(TAG.octetString, evidenceDigest)
  writer.text(TAG.utf8String, attestor)
  writer.element(TAG.enumerated, new Uint8Array([SOURCES.indexOf(extension.keyClassSource)]))
  writer.element(TAG.enumerated, new Uint8Array([KEY_CLASSES.indexOf(extension.keyClass)]))
  writer.number(extension.issuedAt)
  writer.number(VERSION)
  writer.wrap(TAG.sequence, mark)
}
