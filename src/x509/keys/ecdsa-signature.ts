import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { DerReader } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'

/** True for a DER ECDSA-Sig-Value (RFC 3279 section 2.2.3) whose two numbers are positive and fit the curve. */
export function isPlausibleEcdsaSignature(signature: Bytes, size: number): boolean {
  try {
    const outer = DerReader.of(signature)
    const values = outer.enter(TAG.sequence)
    const fits = [values.unsigned(), values.unsigned()].every((part) => part.length <= size && part[0] !== 0)
    values.finish()
    outer.finish()
    return fits
  } catch (error) {
    if (isWritError(error)) return false
    throw error
  }
}
