import { shapeOf, type TableShape } from './columns.ts'
import { testsOf, type Test } from './conditions.ts'
import { storeError } from './errors.ts'
import type { Ordering } from './statements.ts'
import type { TableName } from '#flows/tables.ts'

/** `ListQuery` with its types forgotten. */
export interface AnyListQuery {
  readonly where?: object
  readonly orderBy?: string
  readonly direction?: 'ascending' | 'descending'
  readonly after?: string | number
  readonly limit: number
}

export interface PlannedList {
  readonly shape: TableShape
  readonly tests: readonly Test[]
  readonly ordering: Ordering
  readonly limit: number
}

const MAX_LIMIT = 1000

/** @throws STORE_QUERY_INVALID */
export function planList(table: TableName, query: AnyListQuery): PlannedList {
  const shape = shapeOf(table)
  const { limit, after, direction = 'ascending' } = query
  const column = query.orderBy ?? shape.primaryKey[0] ?? ''
  const inRange = Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT
  if (!inRange) throw storeError('STORE_QUERY_INVALID', { details: { table, limit } })
  // Also refuses an ordering column that cannot be compared.
  testsOf(shape, { [column]: { in: [] } })
  const behind = after === undefined ? {} : { [column]: direction === 'descending' ? { lt: after } : { gt: after } }
  const tests = [...testsOf(shape, query.where ?? {}), ...testsOf(shape, behind)]
  return { shape, tests, ordering: { column, direction }, limit }
}
