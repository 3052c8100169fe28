import { kernelError } from './errors.ts'

export type Bytes = Uint8Array

export function concat(...parts: readonly Bytes[]): Bytes {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** Equality whose time depends on the lengths only, so that it may be used on digests of secrets. */
export function equal(left: Bytes, right: Bytes): boolean {
  if (left.length !== right.length) return false
  let difference = 0
  for (let index = 0; index < left.length; index++) difference |= (left[index] ?? 0) ^ (right[index] ?? 0)
  return difference === 0
}

function view(bytes: Bytes): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

export function toHex(bytes: Bytes): string {
  return view(bytes).toString('hex')
}

/** @throws INVALID_HEX */
export function fromHex(text: string): Bytes {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) throw kernelError('INVALID_HEX')
  return new Uint8Array(Buffer.from(text, 'hex'))
}

/** RFC 4648 section 5, without padding, as JOSE writes it. */
export function toBase64Url(bytes: Bytes): string {
  return view(bytes).toString('base64url')
}

/** Refuses padding, foreign characters and non-zero trailing bits: one value has one spelling. @throws INVALID_BASE64 */
export function fromBase64Url(text: string): Bytes {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) throw kernelError('INVALID_BASE64')
  return new Uint8Array(bytes)
}

/** RFC 4648 section 4, padded. */
export function toBase64(bytes: Bytes): string {
  return view(bytes).toString('base64')
}

/** @throws INVALID_BASE64 unless the text is the canonical, padded spelling without line breaks */
export function fromBase64(text: string): Bytes {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw kernelError('INVALID_BASE64')
  return new Uint8Array(bytes)
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function utf8(text: string): Bytes {
  return encoder.encode(text)
}

/** @throws INVALID_UTF8 */
export function fromUtf8(bytes: Bytes): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw kernelError('INVALID_UTF8', { cause })
  }
}
