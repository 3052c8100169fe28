import type { Bytes } from '#kernel/bytes.ts'
import { derFault } from './fault.ts'
import { DerReader } from './reader.ts'
import { TAG } from './tags.ts'

const CONSTRUCTED = 0x20
const CLASS = 0xc0

/**
 * Walks an encoding whose type is not known here and refuses what no DER encoding may contain: it is run over the
 * parts of a request that are otherwise ignored, so that nothing is carried along unread.
 */
export function checkWellFormed(encoding: Bytes): void {
  walk(DerReader.of(encoding))
}

function walk(reader: DerReader): void {
  while (!reader.atEnd()) {
    const tag = reader.nextTag
    if ((tag & CLASS) === 0) checkUniversal(tag, reader.offset)
    if ((tag & CONSTRUCTED) !== 0) walk(reader.enter(tag))
    else if (tag === TAG.boolean) reader.boolean()
    else if (tag === TAG.integer) reader.integer()
    else if (tag === TAG.oid) reader.oid()
    else if (tag === TAG.bitString) reader.bitString()
    else reader.element()
  }
}

/** SEQUENCE and SET are always constructed in DER, every other universal type of ours never. */
function checkUniversal(tag: number, offset: number): void {
  const number = tag & 0x1f
  const structured = number === 0x10 || number === 0x11 || number === 0x08
  if (structured !== ((tag & CONSTRUCTED) !== 0)) throw derFault('DER_TAG', offset)
}
