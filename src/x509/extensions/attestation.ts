import type { KeyClass, KeyClassSource } from '#kernel/algorithms.ts'
import { instant } from '#kernel/instant.ts'
import { derFault } from '../der/fault.ts'
import type { DerReader } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'
import type { DerWriter } from '../der/writer.ts'
import { x509Error } from '../errors.ts'
import { ia5Text } from './general-name.ts'
import type { WritAttestation } from './types.ts'

const VERSION = 1
const KEY_CLASSES: readonly KeyClass[] = ['software', 'hsm', 'tpm']
const SOURCES: readonly KeyClassSource[] = ['attested', 'declared']
const MAX_ATTESTOR = 64
const DIGEST_BYTES = 32
const LATEST = 253_402_300_799_000

/** WritAttestation of docs/attestation-extension.asn1.md; a later version is read as an extension not understood. */
export function readAttestation(value: DerReader, critical: boolean): WritAttestation | undefined {
  const fields = value.enter(TAG.sequence)
  const start = fields.offset
  if (fields.smallInteger(255) !== VERSION) return undefined
  const issuedAt = instant(fields.smallInteger(LATEST))
  const keyClass = enumerated(fields, KEY_CLASSES)
  const keyClassSource = enumerated(fields, SOURCES)
  const attestor = ia5Text(fields.content(TAG.utf8String), start)
  const evidenceDigest = fields.octetString()
  fields.finish()
  if (attestor === '' || attestor.length > MAX_ATTESTOR || evidenceDigest.length !== DIGEST_BYTES) {
    throw derFault('DER_LENGTH', start)
  }
  return { kind: 'writAttestation', critical, issuedAt, keyClass, keyClassSource, attestor, evidenceDigest }
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
  const { attestor, evidenceDigest } = extension
  if (!/^[\x20-\x7e]{1,64}$/.test(attestor) || evidenceDigest.length !== DIGEST_BYTES) {
    throw x509Error('TEMPLATE_INVALID', { details: { extension: extension.kind } })
  }
  const mark = writer.written
  writer.element(TAG.octetString, evidenceDigest)
  writer.text(TAG.utf8String, attestor)
  writer.element(TAG.enumerated, new Uint8Array([SOURCES.indexOf(extension.keyClassSource)]))
  writer.element(TAG.enumerated, new Uint8Array([KEY_CLASSES.indexOf(extension.keyClass)]))
  writer.number(extension.issuedAt)
  writer.number(VERSION)
  writer.wrap(TAG.sequence, mark)
}
