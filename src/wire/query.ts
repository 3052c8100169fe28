import { z } from 'zod'
import { fromBase64Url, fromUtf8, toBase64Url, utf8 } from '#kernel/bytes.ts'
import { wireError } from './errors.ts'
import { parseWith } from './parse.ts'
import { action, text } from './values.ts'

/** The query of every list: `limit` up to 1000 (100 unless given) and the opaque `after` of the previous page. */
export const listQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,3}$/)
    .transform(Number)
    .pipe(z.int().max(1000))
    .default(100),
  after: z.string().min(1).max(512).optional(),
})
export type ListQuery = z.output<typeof listQuery>

/** The audit log may be read from its newest end, too. */
export const leafQuery = listQuery.extend({ direction: z.enum(['ascending', 'descending']).default('ascending') })

/** `time` asks for a list of the past; it is read in order to be refused. */
export const statusListQuery = z.strictObject({ time: z.string().min(1).max(32).optional() })

export const noQuery = z.strictObject({})

/** Where the query is somebody else's. */
export const ignoredQuery = z.undefined()

/** The query of `/v1/authz`, which a proxy's configuration holds: what the request that it asks about is going to do. */
export const authorizeQuery = z.strictObject({
  action: z.array(action).max(16).optional(),
  identifier: z.array(text(256)).max(16).optional(),
})

/** These may be repeated; they are always lists. */
const LISTS: readonly string[] = ['action', 'identifier']

/**
 * Parses the part of a URL behind the question mark; a parameter may be given once, but those that are lists.
 * @throws QUERY_INVALID
 */
export function parseQuery<Schema extends z.ZodType>(schema: Schema, query: string): z.output<Schema> {
  if ((schema as z.ZodType) === ignoredQuery) return parseWith(schema, undefined, 'QUERY_INVALID')
  const given = new Map<string, string | string[]>()
  for (const [name, value] of new URLSearchParams(query)) {
    const earlier = given.get(name)
    if (LISTS.includes(name)) {
      given.set(name, [...(Array.isArray(earlier) ? earlier : []), value])
      continue
    }
    if (earlier !== undefined) throw wireError('QUERY_INVALID', { details: { problem: 'duplicate' } })
    given.set(name, value)
  }
  return parseWith(schema, Object.fromEntries(given), 'QUERY_INVALID')
}

/** The opaque cursor behind which a list goes on. */
export function formatCursor(key: string): string {
  return toBase64Url(utf8(key))
}

/** @throws QUERY_INVALID unless `formatCursor` made it */
export function parseCursor(cursor: string): string {
  try {
    return fromUtf8(fromBase64Url(cursor))
  } catch (cause) {
    throw wireError('QUERY_INVALID', { cause, details: { member: 'after' } })
  }
}
