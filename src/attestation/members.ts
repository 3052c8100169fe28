import { fromBase64, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { attestationError } from './errors.ts'

/** A member of the evidence as text of a bounded length. @throws EVIDENCE_INVALID */
export function textOf(value: JsonValue | undefined, maximum: number): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > maximum) throw invalid()
  return value
}

/** @throws EVIDENCE_INVALID */
export function objectOf(value: JsonValue | undefined): JsonObject {
  if (typeof value !== 'object' || value === null || isList(value)) throw invalid()
  return value
}

/** @throws EVIDENCE_INVALID */
export function listOf(value: JsonValue | undefined, maximum: number): readonly JsonValue[] {
  if (!isList(value) || value.length > maximum) throw invalid()
  return value
}

/** @throws EVIDENCE_INVALID for a member that has no place here */
export function onlyMembers(object: JsonObject, ...names: readonly string[]): void {
  if (!Object.keys(object).every((name) => names.includes(name))) throw invalid()
}

/** @throws EVIDENCE_INVALID */
export function bytesOf(text: string): Bytes {
  try {
    return fromBase64(text)
  } catch (cause) {
    if (isWritError(cause)) throw attestationError('EVIDENCE_INVALID', { cause })
    throw cause
  }
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}

function invalid(): Error {
  return attestationError('EVIDENCE_INVALID')
}
