import type { ColumnKind } from './column-kinds.ts'
import type { TableShape } from './columns.ts'
import type { Operator, Test } from './conditions.ts'

/** How one database spells what differs. */
export interface Dialect {
  /** The parameter with this number, from 1. */
  placeholder(index: number): string
  /** `column IN <the list in this parameter>`. */
  among(column: string, parameter: string, kind: ColumnKind): string
}

/** Identifiers come from the table of columns only; quoting keeps their case. */
export function quote(identifier: string): string {
  return `"${identifier}"`
}

export function quoteAll(identifiers: readonly string[]): string {
  return identifiers.map(quote).join(', ')
}

const SIGNS: Readonly<Record<Exclude<Operator, 'null' | 'in'>, string>> = {
  eq: '=',
  gt: '>',
  gte: '>=',
  lt: '<',
  lte: '<=',
}

/** One condition over a column and the SQL of its operand. */
export function conditionSql(shape: TableShape, test: Test, operand: string, dialect: Dialect): string {
  const column = `${quote(shape.name)}.${quote(test.column)}`
  if (test.operator === 'null') return `${column} IS NULL`
  if (test.operator === 'in') return dialect.among(column, operand, shape.columns[test.column] ?? 'text')
  return `${column} ${SIGNS[test.operator]} ${operand}`
}

/** All conditions with numbered parameters, the first of which is `first`. `TRUE` when there are none. */
export function whereSql(shape: TableShape, tests: readonly Test[], first: number, dialect: Dialect): string {
  let index = first
  const parts = tests.map((test) =>
    conditionSql(shape, test, test.operator === 'null' ? '' : dialect.placeholder(index++), dialect),
  )
  return parts.length === 0 ? 'TRUE' : parts.join(' AND ')
}

/** The operands that `whereSql` has parameters for, in their order. */
export function operandsOf(tests: readonly Test[]): readonly NonNullable<Test['operand']>[] {
  return tests.flatMap((test) => (test.operand === null ? [] : [test.operand]))
}

/** Two sets of conditions with the same key give the same SQL. */
export function testsKey(tests: readonly Test[]): string {
  let key = ''
  for (const { column, operator } of tests) key += `${column} ${operator},`
  return key
}

export function findSql(shape: TableShape, tests: readonly Test[], dialect: Dialect): string {
  return findSqlOf(shape, tests, whereSql(shape, tests, 1, dialect))
}

/** The same with the conditions spelled already. */
export function findSqlOf(shape: TableShape, tests: readonly Test[], where: string): string {
  const columns = quoteAll(Object.keys(shape.columns))
  const order = isUnique(shape, tests) ? '' : ` ORDER BY ${quoteAll(shape.primaryKey)}`
  return `SELECT ${columns} FROM ${quote(shape.name)} WHERE ${where}${order} LIMIT 1`
}

function isUnique(shape: TableShape, tests: readonly Test[]): boolean {
  const fixed = new Set(tests.filter(({ operator }) => operator === 'eq').map(({ column }) => column))
  return shape.uniqueKeys.some((key) => key.every((column) => fixed.has(column)))
}

export interface Ordering {
  readonly column: string
  readonly direction: 'ascending' | 'descending'
}

/** The limit is the last parameter. Null sorts first, so that both databases answer the same. */
export function listSql(shape: TableShape, tests: readonly Test[], ordering: Ordering, dialect: Dialect): string {
  const columns = quoteAll(Object.keys(shape.columns))
  const where = whereSql(shape, tests, 1, dialect)
  const [down, nulls] = ordering.direction === 'descending' ? ['DESC', 'LAST'] : ['ASC', 'FIRST']
  const nullable = shape.columns[ordering.column]?.endsWith('?') === true
  const ties = shape.primaryKey.filter((column) => column !== ordering.column)
  const order = [
    `${quote(ordering.column)} ${down}${nullable ? ` NULLS ${nulls}` : ''}`,
    ...ties.map((column) => `${quote(column)} ASC`),
  ]
  const limit = dialect.placeholder(operandsOf(tests).length + 1)
  return `SELECT ${columns} FROM ${quote(shape.name)} WHERE ${where} ORDER BY ${order.join(', ')} LIMIT ${limit}`
}
