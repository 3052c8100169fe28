import { fromBase64Url, fromUtf8, toBase64Url, utf8 } from '#kernel/bytes.ts'
import { errorsOf, type ErrorTable } from '#kernel/errors.ts'
import type { ListQuery, Reader, Where } from './ports.ts'
import { PRIMARY_KEYS, type TableName, type Tables } from './tables.ts'

export const PAGE_ERRORS = {
  CURSOR_INVALID: 'The value of "after" is not one that a page of this list has given.',
  LIMIT_INVALID: 'The limit of a page is from 1 to 1000.',
} as const satisfies ErrorTable

export const pageError = errorsOf(PAGE_ERRORS)

export interface PageRequest {
  readonly limit: number
  /** Opaque; what the page before gave as `next`. */
  readonly after?: string | undefined
}

/** `next` is null on the last page. */
export interface Page<Item> {
  readonly items: readonly Item[]
  readonly next: string | null
}

const MAX_LIMIT = 1000

/**
 * One page of a table in the order of its primary key, or of another unique text column.
 * @throws CURSOR_INVALID, LIMIT_INVALID
 */
export async function readPage<Table extends TableName>(
  reader: Reader,
  table: Table,
  page: PageRequest,
  where: Where<Table> = {},
): Promise<Page<Tables[Table]>> {
  const column = PRIMARY_KEYS[table] as unknown as keyof Tables[Table]
  const after = page.after === undefined ? {} : { after: decodeCursor(page.after) }
  const query = { where, limit: checkLimit(page.limit), ...after } as ListQuery<Table>
  const items = await reader.list(table, query)
  const last = items.length === page.limit ? items.at(-1)?.[column] : undefined
  return { items, next: typeof last === 'string' ? encodeCursor(last) : null }
}

/** @throws LIMIT_INVALID */
export function checkLimit(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) throw pageError('LIMIT_INVALID')
  return limit
}

export function encodeCursor(value: string): string {
  return toBase64Url(utf8(value))
}

/** @throws CURSOR_INVALID */
export function decodeCursor(cursor: string): string {
  try {
    return fromUtf8(fromBase64Url(cursor))
  } catch (cause) {
    throw pageError('CURSOR_INVALID', { cause })
  }
}
