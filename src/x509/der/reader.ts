import type { Bytes } from '#kernel/bytes.ts'
import { derFault } from './fault.ts'
import { decodeOid } from './oid.ts'
import { TAG } from './tags.ts'

const MAX_DEPTH = 16

export interface DerOptions {
  /** How many levels may be entered. */
  readonly maxDepth?: number
  /** Whether tag numbers above 30 are read; such a tag is `number * 256 + leading octet`. */
  readonly highTags?: boolean
}

/** Bits in the order of X.680: bit 0 is the most significant bit of the first octet. */
export interface BitString {
  readonly unused: number
  readonly bytes: Bytes
}

/**
 * A cursor over one level of a DER encoding (X.690). What it returns are views of the input, never copies. It refuses
 * what BER allows and DER does not: indefinite and long lengths, padded integers, other truths than FF.
 */
export class DerReader {
  readonly #bytes: Bytes
  readonly #end: number
  readonly #levels: number
  readonly #highTags: boolean
  #offset: number

  private constructor(bytes: Bytes, range: { start: number; end: number }, levels: number, highTags: boolean) {
    this.#bytes = bytes
    this.#offset = range.start
    this.#end = range.end
    this.#levels = levels
    this.#highTags = highTags
  }

  static of(bytes: Bytes, options: DerOptions = {}): DerReader {
    const range = { start: 0, end: bytes.length }
    return new DerReader(bytes, range, options.maxDepth ?? MAX_DEPTH, options.highTags ?? false)
  }

  get offset(): number {
    return this.#offset
  }

  atEnd(): boolean {
    return this.#offset === this.#end
  }

  /** The leading octet of the next element, or -1 at the end. */
  get nextTag(): number {
    return this.#offset < this.#end ? (this.#bytes[this.#offset] ?? -1) : -1
  }

  /** @throws DER_TRAILING_BYTES unless everything has been read */
  finish(): void {
    if (this.#offset !== this.#end) throw derFault('DER_TRAILING_BYTES', this.#offset)
  }

  /** A second cursor at the same place. */
  fork(): DerReader {
    return new DerReader(this.#bytes, { start: this.#offset, end: this.#end }, this.#levels, this.#highTags)
  }

  /** A reader of the contents of the next element, which must have this tag. @throws DER_TOO_DEEP, DER_TAG and others */
  enter(tag: number): DerReader {
    if (this.#levels === 0) throw derFault('DER_TOO_DEEP', this.#offset)
    const end = this.#open(tag)
    const inner = new DerReader(this.#bytes, { start: this.#offset, end }, this.#levels - 1, this.#highTags)
    this.#offset = end
    return inner
  }

  /** The contents octets of the next element, which must have this tag. */
  content(tag: number): Bytes {
    const end = this.#open(tag)
    return this.#take(this.#offset, end)
  }

  /** The next element whole, identifier and length octets included; of any tag when none is given. */
  element(tag?: number): Bytes {
    const start = this.#offset
    const end = this.#open(tag)
    return this.#take(start, end)
  }

  /** The next `length` octets of this level, whatever they are. */
  span(length: number): Bytes {
    if (length > this.#end - this.#offset) throw derFault('DER_TRUNCATED', this.#offset)
    return this.#take(this.#offset, this.#offset + length)
  }

  /** The two's complement octets of an INTEGER in its shortest form. @throws DER_INTEGER */
  integer(): Bytes {
    const start = this.#offset
    const octets = this.content(TAG.integer)
    const first = octets[0]
    if (first === undefined) throw derFault('DER_INTEGER', start)
    if (octets.length > 1) {
      const sign = (octets[1] ?? 0) & 0x80
      if ((first === 0x00 && sign === 0) || (first === 0xff && sign !== 0)) throw derFault('DER_INTEGER', start)
    }
    return octets
  }

  /** The magnitude of an INTEGER that must not be negative, without its sign octet; zero is one zero octet. */
  unsigned(): Bytes {
    const start = this.#offset
    const octets = this.integer()
    if (((octets[0] ?? 0) & 0x80) !== 0) throw derFault('DER_INTEGER', start)
    return octets.length > 1 && octets[0] === 0 ? octets.subarray(1) : octets
  }

  /** An INTEGER from 0 to `maximum`, which must be a safe integer. @throws DER_INTEGER */
  smallInteger(maximum: number): number {
    const start = this.#offset
    const octets = this.unsigned()
    const value = octets.length > 7 ? Number.POSITIVE_INFINITY : octets.reduce((sum, octet) => sum * 256 + octet, 0)
    if (value > maximum) throw derFault('DER_INTEGER', start)
    return value
  }

  /** @throws DER_BOOLEAN */
  boolean(): boolean {
    const start = this.#offset
    const octets = this.content(TAG.boolean)
    if (octets.length !== 1 || (octets[0] !== 0x00 && octets[0] !== 0xff)) throw derFault('DER_BOOLEAN', start)
    return octets[0] === 0xff
  }

  /** A BOOLEAN DEFAULT FALSE: absent, or TRUE, since DER leaves defaults out. @throws DER_BOOLEAN */
  defaultFalse(): boolean {
    if (this.nextTag !== TAG.boolean) return false
    const start = this.#offset
    if (!this.boolean()) throw derFault('DER_BOOLEAN', start)
    return true
  }

  null(): void {
    if (this.content(TAG.null).length !== 0) throw derFault('DER_LENGTH', this.#offset)
  }

  oid(): string {
    const start = this.#offset
    return decodeOid(this.content(TAG.oid), start)
  }

  octetString(): Bytes {
    return this.content(TAG.octetString)
  }

  /** @throws DER_BIT_STRING */
  bitString(tag: number = TAG.bitString): BitString {
    const start = this.#offset
    const octets = this.content(tag)
    const unused = octets[0] ?? 8
    const last = octets[octets.length - 1] ?? 0
    if (unused > 7 || (octets.length === 1 && unused !== 0)) throw derFault('DER_BIT_STRING', start)
    if (octets.length > 1 && (last & ((1 << unused) - 1)) !== 0) throw derFault('DER_BIT_STRING', start)
    return { unused, bytes: octets.subarray(1) }
  }

  /** A BIT STRING that holds whole octets, as keys and signatures are. @throws DER_BIT_STRING */
  octetBits(): Bytes {
    const start = this.#offset
    const { unused, bytes } = this.bitString()
    if (unused !== 0) throw derFault('DER_BIT_STRING', start)
    return bytes
  }

  #take(start: number, end: number): Bytes {
    this.#offset = end
    return this.#bytes.subarray(start, end)
  }

  /** Reads identifier and length octets, leaves the cursor at the contents and returns where they end. */
  #open(expected: number | undefined): number {
    const start = this.#offset
    const tag = this.#tag()
    if (tag === 0 || (expected !== undefined && tag !== expected)) throw derFault('DER_TAG', start)
    const length = this.#length()
    if (length > this.#end - this.#offset) throw derFault('DER_TRUNCATED', start)
    return this.#offset + length
  }

  #tag(): number {
    const start = this.#offset
    const leading = this.#next()
    if ((leading & 0x1f) !== 0x1f) return leading
    if (!this.#highTags) throw derFault('DER_TAG', start)
    let number = 0
    for (let more = true; more;) {
      const octet = this.#next()
      if ((number === 0 && octet === 0x80) || number > 0xffff) throw derFault('DER_TAG', start)
      number = number * 128 + (octet & 0x7f)
      more = (octet & 0x80) !== 0
    }
    if (number < 31) throw derFault('DER_TAG', start)
    return number * 256 + leading
  }

  #length(): number {
    const start = this.#offset
    const first = this.#next()
    if (first < 0x80) return first
    if (first === 0x80) throw derFault('DER_INDEFINITE_LENGTH', start)
    const count = first & 0x7f
    if (count > 4) throw derFault('DER_LENGTH', start)
    let length = 0
    for (let index = 0; index < count; index++) length = length * 256 + this.#next()
    if (length < 0x80 || length < 256 ** (count - 1)) throw derFault('DER_LENGTH', start)
    return length
  }

  #next(): number {
    if (this.#offset >= this.#end) throw derFault('DER_TRUNCATED', this.#offset)
    return this.#bytes[this.#offset++] ?? 0
  }
}
