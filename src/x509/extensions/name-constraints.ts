import { derFault } from '../der/fault.ts'
import type { DerReader } from '../der/reader.ts'
import { contextConstructed, TAG } from '../der/tags.ts'
import type { DerWriter } from '../der/writer.ts'
import { readGeneralName, writeGeneralName } from './general-name.ts'
import type { GeneralName, NameConstraints } from './types.ts'

const PERMITTED = contextConstructed(0)
const EXCLUDED = contextConstructed(1)

/** RFC 5280 section 4.2.1.10: not empty, minimum zero (and so left out), maximum absent. */
export function readNameConstraints(value: DerReader, critical: boolean): NameConstraints {
  const fields = value.enter(TAG.sequence)
  if (fields.atEnd()) throw derFault('DER_TRUNCATED', fields.offset)
  const permitted = fields.nextTag === PERMITTED ? readSubtrees(fields.enter(PERMITTED)) : []
  const excluded = fields.nextTag === EXCLUDED ? readSubtrees(fields.enter(EXCLUDED)) : []
  fields.finish()
  return { kind: 'nameConstraints', critical, permitted, excluded }
}

function readSubtrees(list: DerReader): readonly GeneralName[] {
  const bases: GeneralName[] = []
  do {
    const start = list.offset
    const subtree = list.enter(TAG.sequence)
    const base = readGeneralName(subtree, [8, 32])
    subtree.finish()
    if (!isConstraint(base)) throw derFault('DER_STRING', start)
    bases.push(base)
  } while (!list.atEnd())
  return bases
}

const HOST = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/

/** A DNS base has no leading dot, a URI base is a host or a dot and a domain, an address mask has no gaps. */
function isConstraint(base: GeneralName): boolean {
  if (base.type === 'dns') return base.value === '' || HOST.test(base.value)
  if (base.type === 'uri') return HOST.test(base.value.startsWith('.') ? base.value.slice(1) : base.value)
  if (base.type === 'ip') return isPrefixMask(base.value.subarray(base.value.length / 2))
  return true
}

function isPrefixMask(mask: Uint8Array): boolean {
  const bits = Array.from(mask, (octet) => octet.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(bits)
}

export function writeNameConstraints(writer: DerWriter, { permitted, excluded }: NameConstraints): void {
  const mark = writer.written
  writeSubtrees(writer, EXCLUDED, excluded)
  writeSubtrees(writer, PERMITTED, permitted)
  writer.wrap(TAG.sequence, mark)
}

function writeSubtrees(writer: DerWriter, tag: number, bases: readonly GeneralName[]): void {
  if (bases.length === 0) return
  const mark = writer.written
  for (const base of bases.toReversed()) {
    const subtree = writer.written
    writeGeneralName(writer, base)
    writer.wrap(TAG.sequence, subtree)
  }
  writer.wrap(tag, mark)
}
