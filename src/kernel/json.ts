import { fromUtf8, type Bytes } from './bytes.ts'
import { kernelError } from './errors.ts'

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [member: string]: JsonValue
}

export interface JsonLimits {
  readonly maxBytes: number
  readonly maxDepth: number
}

export const DEFAULT_JSON_LIMITS: JsonLimits = { maxBytes: 64 * 1024, maxDepth: 16 }

/**
 * Strict JSON (RFC 8259): size and depth are bounded before any value is built, duplicate members are refused
 * (JSON.parse would silently keep the last), and so is a member called `__proto__`.
 * @throws JSON_TOO_LARGE, JSON_TOO_DEEP, JSON_DUPLICATE_KEY, INVALID_JSON, INVALID_UTF8
 */
export function parseJson(input: Bytes | string, limits: JsonLimits = DEFAULT_JSON_LIMITS): JsonValue {
  const length = typeof input === 'string' ? Buffer.byteLength(input) : input.length
  if (length > limits.maxBytes) throw kernelError('JSON_TOO_LARGE', { details: { length, limit: limits.maxBytes } })
  const text = typeof input === 'string' ? input : fromUtf8(input)
  checkStructure(text, limits.maxDepth)
  try {
    return JSON.parse(text) as JsonValue
  } catch (cause) {
    throw kernelError('INVALID_JSON', { cause })
  }
}

const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y
const COLON = /[ \t\r\n]*:/y

/**
 * Walks the tokens once, keeping the member names of each open object. It needs no grammar of its own: text that is
 * not JSON passes here or not, and JSON.parse has the last word.
 */
function checkStructure(text: string, maxDepth: number): void {
  const open: (Set<string> | null)[] = []
  for (let index = 0; index < text.length; index++) {
    const character = text[index]
    if (character === '{' || character === '[') {
      open.push(character === '{' ? new Set() : null)
      if (open.length > maxDepth) throw kernelError('JSON_TOO_DEEP', { details: { limit: maxDepth } })
    } else if (character === '}' || character === ']') {
      open.pop()
    } else if (character === '"') {
      index = checkString(text, index, open.at(-1) ?? null)
    }
  }
}

/** Returns the index of the closing quote; when the string names a member, it must be new to its object. */
function checkString(text: string, start: number, members: Set<string> | null): number {
  STRING.lastIndex = start
  const token = STRING.exec(text)?.[0]
  if (token === undefined) throw kernelError('INVALID_JSON')
  const end = start + token.length
  COLON.lastIndex = end
  if (members !== null && COLON.test(text)) addMember(members, token)
  return end - 1
}

function addMember(members: Set<string>, token: string): void {
  let name: string
  try {
    name = JSON.parse(token) as string
  } catch (cause) {
    throw kernelError('INVALID_JSON', { cause })
  }
  if (members.has(name) || name === '__proto__') throw kernelError('JSON_DUPLICATE_KEY')
  members.add(name)
}

/**
 * Canonical JSON (RFC 8785): members sorted by UTF-16 code units, no white space, ECMAScript numbers.
 * @throws JSON_NOT_CANONICAL for a number that is not finite, or a lone surrogate
 */
export function canonicalize(value: JsonValue): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw kernelError('JSON_NOT_CANONICAL')
  if (typeof value === 'string') return canonicalString(value)
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(canonicalize).join(',')}]`
  const members = value as JsonObject
  let text = ''
  // The order of `sort` is by UTF-16 code units.
  for (const name of Object.keys(members).sort()) {
    text += `${text === '' ? '' : ','}${canonicalString(name)}:${canonicalize(members[name] ?? null)}`
  }
  return `{${text}}`
}

/** Printable ASCII without quotation mark and backslash stands for itself. */
const PLAIN = /^[ !#-[\]-~]*$/

function canonicalString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`
  if (!text.isWellFormed()) throw kernelError('JSON_NOT_CANONICAL')
  return JSON.stringify(text)
}
