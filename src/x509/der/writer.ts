import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import { derFault } from './fault.ts'
import { TAG } from './tags.ts'
import { timeText } from './time.ts'

const INITIAL_BYTES = 1024

/**
 * Writes DER back to front into one buffer: when an element's header is due, its length is known. A certificate costs
 * one allocation and no measuring pass. Call the methods in reverse order of the encoding; an element is closed by
 * `wrap(tag, mark)`, where `mark` is what `written` was before its contents.
 */
export class DerWriter {
  #buffer: Uint8Array<ArrayBuffer>
  #written = 0

  constructor(expectedBytes = INITIAL_BYTES) {
    this.#buffer = new Uint8Array(expectedBytes)
  }

  get written(): number {
    return this.#written
  }

  /** The encoding, copied out. */
  finish(): Bytes {
    return this.#buffer.slice(this.#buffer.length - this.#written)
  }

  octet(value: number): void {
    const start = this.#reserve(1)
    this.#buffer[start] = value
  }

  raw(bytes: Bytes): void {
    const start = this.#reserve(bytes.length)
    this.#buffer.set(bytes, start)
  }

  /** @throws DER_STRING when the text is not ASCII */
  ascii(text: string): void {
    const start = this.#reserve(text.length)
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) throw derFault('DER_STRING', index)
      this.#buffer[start + index] = code
    }
  }

  wrap(tag: number, mark: number): void {
    const length = this.#written - mark
    if (length < 0x80) {
      this.octet(length)
    } else {
      let count = 0
      for (let rest = length; rest > 0; rest = Math.floor(rest / 256), count++) this.octet(rest & 0xff)
      this.octet(0x80 | count)
    }
    this.octet(tag)
  }

  /** An element of raw contents. */
  element(tag: number, contents: Bytes): void {
    const mark = this.#written
    this.raw(contents)
    this.wrap(tag, mark)
  }

  text(tag: number, text: string): void {
    const mark = this.#written
    this.ascii(text)
    this.wrap(tag, mark)
  }

  /** @throws DER_TIME unless the moment is a whole second */
  time(moment: Instant): void {
    const { tag, text } = timeText(moment)
    this.text(tag, text)
  }

  /** BOOLEAN TRUE; DER leaves a default FALSE out. */
  true(): void {
    this.octet(0xff)
    this.octet(1)
    this.octet(TAG.boolean)
  }

  /** INTEGER of a whole number that is not negative. */
  number(value: number): void {
    this.element(TAG.integer, unsignedOctets(value))
  }

  #reserve(count: number): number {
    const needed = this.#written + count
    if (needed > this.#buffer.length) this.#grow(needed)
    this.#written = needed
    return this.#buffer.length - needed
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2))
    larger.set(this.#buffer.subarray(this.#buffer.length - this.#written), larger.length - this.#written)
    this.#buffer = larger
  }
}

function unsignedOctets(value: number): Bytes {
  if (!Number.isSafeInteger(value) || value < 0) throw derFault('DER_INTEGER', 0)
  const octets: number[] = []
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest & 0xff)
  if (octets.length === 0 || (octets[0] ?? 0) >= 0x80) octets.unshift(0)
  return new Uint8Array(octets)
}
