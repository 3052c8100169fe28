import { concat, fromHex, type Bytes } from '#kernel/bytes.ts'
import { tlv } from '#x509/der/build.ts'

/** The only insider import of the tests: mutilating an encoding needs an encoder. */
export { bitsElement, oidElement, sequence, tlv, unsignedElement } from '#x509/der/build.ts'

export const hex = (text: string): Bytes => fromHex(text.replaceAll(' ', ''))

interface Element {
  readonly tag: number
  readonly header: number
  readonly whole: Bytes
  readonly contents: Bytes
}

/** A reader that trusts its input, so that tests can take apart what they are about to break. */
export function elementsOf(encoding: Bytes): readonly Element[] {
  const elements: Element[] = []
  for (let offset = 0; offset < encoding.length;) {
    const first = encoding[offset + 1]!
    const count = first < 0x80 ? 0 : first & 0x7f
    let length = first < 0x80 ? first : 0
    for (let index = 0; index < count; index++) length = length * 256 + encoding[offset + 2 + index]!
    const header = 2 + count
    const whole = encoding.subarray(offset, offset + header + length)
    if (whole.length !== header + length) throw new RangeError('not an encoding')
    elements.push({ tag: encoding[offset]!, header, whole, contents: whole.subarray(header) })
    offset += whole.length
  }
  return elements
}

/**
 * The encoding with the element at `path` replaced; lengths above it are written anew. `path` is the index at each
 * level, beginning with the outermost.
 */
export function replaceAt(encoding: Bytes, path: readonly number[], change: (old: Bytes) => Bytes): Bytes {
  const [index = 0, ...deeper] = path
  const parts = elementsOf(encoding).map((element, position) => {
    if (position !== index) return element.whole
    if (deeper.length === 0) return change(element.whole)
    // A BIT STRING or OCTET STRING is entered like a constructed type.
    return tlv(element.tag, replaceAt(element.contents, deeper, change))
  })
  return concat(...parts)
}

/** The element at a path, whole. */
export function elementAt(encoding: Bytes, path: readonly number[]): Bytes {
  let found: Bytes = new Uint8Array()
  replaceAt(encoding, path, (old) => {
    found = old
    return old
  })
  return found
}
