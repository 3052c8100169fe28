import type { z } from 'zod'
import { fromUtf8, type Bytes } from '#kernel/bytes.ts'
import { wireError } from './errors.ts'
import { parseWith } from './parse.ts'

/** RFC 8693 section 2.1 lets these be repeated; they are always lists here. */
const LISTS: readonly string[] = ['resource', 'audience']
const MAX_PARAMETERS = 64
const PAIR = /^[^\s&=]+(?:=[^\s&]*)?$/
const ENCODED = /^[\x21-\x7e]*$/

export type Form = Readonly<Record<string, string | readonly string[]>>

/**
 * A form body, strictly: printable ASCII, proper percent-encoding of UTF-8, each parameter once (RFC 6749 section 3.2)
 * but the two that RFC 8693 lets repeat. A parameter without a value counts as left out.
 * @throws FORM_TOO_LARGE, FORM_MALFORMED, FORM_DUPLICATE_PARAMETER
 */
export function parseForm(body: Bytes, maxBytes = 65_536): Form {
  if (body.length > maxBytes) throw wireError('FORM_TOO_LARGE', { details: { limit: maxBytes } })
  const encoded = fromUtf8(body)
  if (!ENCODED.test(encoded)) throw wireError('FORM_MALFORMED')
  const pairs = encoded === '' ? [] : encoded.split('&')
  if (pairs.length > MAX_PARAMETERS) throw wireError('FORM_MALFORMED', { details: { problem: 'too_many' } })
  return collect(pairs.map(decodePair))
}

/** Parses the parameters; unknown ones are ignored, as RFC 6749 section 3.2 demands. @throws FORM_INVALID */
export function parseFormWith<Schema extends z.ZodType>(schema: Schema, body: Bytes): z.output<Schema> {
  return parseWith(schema, parseForm(body), 'FORM_INVALID')
}

function decodePair(pair: string): readonly [string, string] {
  if (!PAIR.test(pair)) throw wireError('FORM_MALFORMED')
  const at = pair.indexOf('=')
  return at === -1 ? [decode(pair), ''] : [decode(pair.slice(0, at)), decode(pair.slice(at + 1))]
}

function decode(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '))
  } catch {
    // The cause would quote the value, which may be a token.
    throw wireError('FORM_MALFORMED')
  }
}

function collect(pairs: readonly (readonly [string, string])[]): Form {
  const form = new Map<string, string | string[]>()
  const seen = new Set<string>()
  for (const [name, value] of pairs) {
    const isList = LISTS.includes(name)
    if (seen.has(name) && !isList) throw wireError('FORM_DUPLICATE_PARAMETER', { details: { member: named(name) } })
    seen.add(name)
    if (value === '') continue
    const earlier = form.get(name)
    if (!isList) form.set(name, value)
    else form.set(name, Array.isArray(earlier) ? [...earlier, value] : [value])
  }
  return Object.fromEntries(form)
}

function named(name: string): string {
  return /^[a-z_]{1,64}$/.test(name) ? name : '?'
}
