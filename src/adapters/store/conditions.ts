import type { TableShape } from './columns.ts'
import { storeError } from './errors.ts'
import { isStorableText } from './rows.ts'

/** A value that can be compared: everything but lists, objects and bytes. */
export type Scalar = string | number | null
export type Operator = 'eq' | 'null' | 'in' | 'gt' | 'gte' | 'lt' | 'lte'

/** One condition, checked and taken apart. `null` has no operand. */
export interface Test {
  readonly column: string
  readonly operator: Operator
  readonly operand: string | number | readonly (string | number)[] | null
}

const OPERATORS = new Set<string>(['in', 'gt', 'gte', 'lt', 'lte'])

/**
 * Takes a `Where` apart, in the order in which it was written.
 * @throws STORE_QUERY_INVALID for an unknown or incomparable column, a value of the wrong type, or null inside a condition
 */
export function testsOf(shape: TableShape, where: object): readonly Test[] {
  return Object.entries(where).map(([column, condition]) => testOf(shape, column, condition))
}

function testOf(shape: TableShape, column: string, condition: unknown): Test {
  const kind = shape.columns[column]
  if (kind === undefined || kind.startsWith('bytes') || kind.startsWith('json')) throw invalid(shape, column)
  const check = (value: unknown): string | number => {
    const fits = kind.startsWith('text') ? isStorableText(value) : Number.isSafeInteger(value)
    if (!fits) throw invalid(shape, column)
    return value as string | number
  }
  if (condition === null) return { column, operator: 'null', operand: null }
  if (typeof condition !== 'object') return { column, operator: 'eq', operand: check(condition) }
  const [operator, operand] = onlyEntry(condition)
  if (!OPERATORS.has(operator)) throw invalid(shape, column)
  if (operator !== 'in') return { column, operator: operator as Operator, operand: check(operand) }
  if (!Array.isArray(operand)) throw invalid(shape, column)
  return { column, operator, operand: operand.map(check) }
}

/** No name at all unless there is exactly one. */
function onlyEntry(condition: object): readonly [string, unknown] {
  const [entry, ...others] = Object.entries(condition)
  return entry === undefined || others.length > 0 ? ['', null] : entry
}

function invalid(shape: TableShape, column: string): Error {
  return storeError('STORE_QUERY_INVALID', { details: { table: shape.name, column } })
}

/** Whether a value passes, as both databases see it: text by its UTF-8 bytes, null only by `null`. */
export function passes(test: Test, value: unknown): boolean {
  if (test.operator === 'null') return value === null
  if (value === null || (typeof value !== 'string' && typeof value !== 'number')) return false
  if (test.operator === 'in') return (test.operand as readonly (string | number)[]).includes(value)
  if (test.operator === 'eq') return value === test.operand
  const order = compare(value, test.operand as string | number)
  return { gt: order > 0, gte: order >= 0, lt: order < 0, lte: order <= 0 }[test.operator]
}

/** The order of both databases: null first, then numbers by value and text by its UTF-8 bytes. */
export function compare(left: Scalar, right: Scalar): number {
  if (left === right) return 0
  if (left === null) return -1
  if (right === null) return 1
  if (typeof left === 'number' && typeof right === 'number') return left - right
  return Buffer.compare(Buffer.from(String(left)), Buffer.from(String(right)))
}
