import type { Bytes } from '#kernel/bytes.ts'
import { tpmError } from './errors.ts'

/** No structure that is read here is larger; a TPM's own buffers are smaller. */
export const MAX_STRUCTURE_BYTES = 4096

/** Reads marshalled TPM structures (TPM 2.0 Library, Part 2): big-endian, without padding, every length checked. */
export class TpmReader {
  readonly #bytes: Bytes
  readonly #view: DataView
  #offset = 0

  private constructor(bytes: Bytes) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  /** @throws TPM_TOO_LARGE */
  static of(bytes: Bytes, maximum: number = MAX_STRUCTURE_BYTES): TpmReader {
    if (bytes.length > maximum) throw tpmError('TPM_TOO_LARGE', { details: { length: bytes.length, limit: maximum } })
    return new TpmReader(bytes)
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  /** @throws TPM_TRUNCATED, as all that follow */
  uint8(): number {
    return this.#view.getUint8(this.#advance(1))
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2))
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4))
  }

  uint64(): bigint {
    return this.#view.getBigUint64(this.#advance(8))
  }

  /** TPMI_YES_NO. @throws TPM_VALUE_INVALID for anything but 0 and 1 */
  yesNo(): boolean {
    const value = this.uint8()
    if (value > 1) throw tpmError('TPM_VALUE_INVALID', { details: { offset: this.#offset - 1 } })
    return value === 1
  }

  /** A copy, so that nobody's buffer is changed under it. */
  take(length: number): Bytes {
    const start = this.#advance(length)
    return this.#bytes.slice(start, start + length)
  }

  /** A TPM2B: length and bytes. @throws TPM_TOO_LARGE */
  sized(maximum: number): Bytes {
    const length = this.uint16()
    if (length > maximum) throw tpmError('TPM_TOO_LARGE', { details: { length, limit: maximum } })
    return this.take(length)
  }

  /** Whatever is left. */
  rest(): Bytes {
    return this.take(this.remaining)
  }

  /** @throws TPM_TRAILING_BYTES */
  finish(): void {
    if (this.remaining > 0) throw tpmError('TPM_TRAILING_BYTES', { details: { count: this.remaining } })
  }

  #advance(length: number): number {
    const start = this.#offset
    if (length > this.remaining) throw tpmError('TPM_TRUNCATED', { details: { offset: start, wanted: length } })
    this.#offset += length
    return start
  }
}

/** A whole structure: whatever `read` leaves behind is refused. @throws TPM_TRAILING_BYTES, and what `read` throws */
export function readWhole<Value>(bytes: Bytes, read: (reader: TpmReader) => Value, maximum?: number): Value {
  const reader = TpmReader.of(bytes, maximum)
  const value = read(reader)
  reader.finish()
  return value
}
