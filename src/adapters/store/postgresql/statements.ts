import type { ColumnKind } from '../column-kinds.ts'
import { shapeOf, type TableShape } from '../columns.ts'
import type { Test } from '../conditions.ts'
import type { PlannedChange, PlannedGuard } from '../plan.ts'
import type { Stored, StoredRow } from '../rows.ts'
import { conditionSql, findSqlOf, quote, quoteAll, testsKey, type Dialect } from '../statements.ts'

/** Parameters of single statements: `$1`, `$2`, … */
export const SINGLE: Dialect = {
  placeholder: (index) => `$${String(index)}`,
  among: (column, parameter, kind) => `${column} = ANY(${parameter}::${arrayType(kind)})`,
}

function arrayType(kind: ColumnKind): string {
  return kind.startsWith('integer') ? 'bigint[]' : 'text[]'
}

/** Members of the JSON objects of a set: `o` is the ordinal, `g` the guard, `v…` values, `w…` operands. */
export type Member = Readonly<Record<string, string | number | null | readonly (string | number)[]>>

/** Bytes travel in JSON as hex. */
function toJson(value: Stored): string | number | null {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
}

function valueType(kind: ColumnKind | undefined): string {
  return kind?.startsWith('integer') === true ? 'bigint' : 'text'
}

function valueSql(kind: ColumnKind | undefined, name: string): string {
  return kind?.startsWith('bytes') === true ? `decode(x.${name}, 'hex')` : `x.${name}`
}

export function valuesMember(values: StoredRow): Record<string, string | number | null> {
  return Object.fromEntries(Object.values(values).map((value, index) => [`v${String(index)}`, toJson(value)]))
}

export function testsMember(tests: readonly Test[]): Record<string, string | number | readonly (string | number)[]> {
  const members: Record<string, string | number | readonly (string | number)[]> = {}
  tests.forEach(({ operand }, index) => {
    if (operand !== null) members[`w${String(index)}`] = operand
  })
  return members
}

function recordSql(parameter: number, columns: readonly string[]): string {
  return `json_to_recordset($${String(parameter)}::json) AS x(${columns.join(', ')})`
}

function testColumns(shape: TableShape, tests: readonly Test[]): readonly string[] {
  return tests.flatMap(({ column, operator, operand }, index) => {
    if (operand === null) return []
    const kind = shape.columns[column] ?? 'text'
    return [`w${String(index)} ${operator === 'in' ? arrayType(kind) : valueType(kind)}`]
  })
}

function valueColumns(shape: TableShape, columns: readonly string[]): readonly string[] {
  return columns.map((column, index) => `v${String(index)} ${valueType(shape.columns[column])}`)
}

function conditions(shape: TableShape, tests: readonly Test[]): string {
  const parts = tests.map((test, index) => conditionSql(shape, test, `x.w${String(index)}`, SINGLE))
  return parts.length === 0 ? 'TRUE' : parts.join(' AND ')
}

/** One statement for several finds of one form: answers the rows that there are, each with the ordinal of its find. */
export function findManySql(shape: TableShape, tests: readonly Test[]): string {
  const record = recordSql(1, ['o int', ...testColumns(shape, tests)])
  const one = findSqlOf(shape, tests, conditions(shape, tests))
  return `SELECT x.o, found.* FROM ${record} CROSS JOIN LATERAL (${one}) AS found`
}

export function guardKey({ shape, must, tests }: PlannedGuard): string {
  return `${shape.name} ${must} ${testsKey(tests)}`
}

/** One statement for guards of several shapes, each with its own parameter: answers who does not pass which guard. */
export function guardsSql(shapes: readonly PlannedGuard[]): string {
  const parts = shapes.map(({ shape, must, tests }, index) => {
    const record = recordSql(index + 1, ['o int', 'g int', ...testColumns(shape, tests)])
    const found = `EXISTS (SELECT 1 FROM ${quote(shape.name)} WHERE ${conditions(shape, tests)})`
    return `SELECT x.o, x.g FROM ${record} WHERE ${must === 'exist' ? 'NOT ' : ''}${found}`
  })
  return parts.join(' UNION ALL ')
}

export function changeKey(change: PlannedChange): string {
  const { op, shape } = change
  const columns = op === 'update' ? Object.keys(change.values).join() : ''
  return `${op} ${shape.name} ${columns} ${'tests' in change ? testsKey(change.tests) : ''}`
}

export function changeMember(change: PlannedChange, ordinal: number): Member {
  const values = 'values' in change ? valuesMember(change.values) : {}
  const tests = 'tests' in change && change.op !== 'count' ? testsMember(change.tests) : {}
  return { o: ordinal, ...values, ...tests }
}

/** One statement for changes of one shape: answers the ordinals of those that took effect. */
export function changeSql(change: PlannedChange): string {
  const { shape } = change
  switch (change.op) {
    case 'insert':
      return insertSql(shape, 'ON CONFLICT DO NOTHING')
    case 'replace':
      return insertSql(shape, replaceSql(shape))
    case 'update': {
      const columns = Object.keys(change.values)
      const set = columns.map((column, index) => {
        return `${quote(column)} = ${valueSql(shape.columns[column], `v${String(index)}`)}`
      })
      const record = ['o int', ...valueColumns(shape, columns), ...testColumns(shape, change.tests)]
      const from = `UPDATE ${quote(shape.name)} SET ${set.join(', ')} FROM ${recordSql(1, record)}`
      return `${from} WHERE ${conditions(shape, change.tests)} RETURNING x.o`
    }
    case 'count':
      return countSql()
    case 'delete': {
      const record = recordSql(1, ['o int', ...testColumns(shape, change.tests)])
      return `DELETE FROM ${quote(shape.name)} USING ${record} WHERE ${conditions(shape, change.tests)} RETURNING x.o`
    }
  }
}

/**
 * An INSERT cannot return a column of what it selects from, so it returns the primary key, which is looked up again:
 * no two members of a set share one.
 */
function insertSql(shape: TableShape, onConflict: string, parameter = 1): string {
  const columns = Object.keys(shape.columns)
  const record = recordSql(parameter, ['o int', ...valueColumns(shape, columns)])
  const values = columns.map((column, index) => valueSql(shape.columns[column], `v${String(index)}`))
  const insert = `INSERT INTO ${quote(shape.name)} (${quoteAll(columns)}) SELECT ${values.join(', ')} FROM ${record}`
  return `${insert} ORDER BY x.o ${onConflict} RETURNING ${quoteAll(shape.primaryKey)}`
}

export const LOG_TABLES = ['LogLeaf', 'LogPrivate', 'Outbox'] as const

/** One statement for what a batch leaves in the log and in the outbox: answers how many rows there are of each. */
export function logSql(): string {
  const inserts = LOG_TABLES.map((table, index) => {
    return `${writtenTo(table)} AS (${insertSql(shapeOf(table), 'ON CONFLICT DO NOTHING', index + 1)})`
  })
  const counts = LOG_TABLES.map((table) => `(SELECT count(*) FROM ${writtenTo(table)}) AS ${quote(table)}`)
  return `WITH ${inserts.join(', ')} SELECT ${counts.join(', ')}`
}

function writtenTo(table: string): string {
  return quote(`written to ${table}`)
}

/** In the order of the names, so that two replicas never wait for each other. */
function countSql(): string {
  const record = recordSql(1, ['o int', 'v0 text', 'v1 bigint'])
  return `INSERT INTO "Counter" ("name", "next") SELECT x.v0, 1 FROM ${record} WHERE x.v1 > 0 ORDER BY x.v0
    ON CONFLICT ("name") DO UPDATE SET "next" = "Counter"."next" + 1
    WHERE "Counter"."next" < (SELECT x.v1 FROM ${record} WHERE x.v0 = excluded."name") RETURNING "name"`
}

function replaceSql(shape: TableShape): string {
  const rest = Object.keys(shape.columns).filter((column) => !shape.primaryKey.includes(column))
  const set = rest.map((column) => `${quote(column)} = excluded.${quote(column)}`).join(', ')
  return `ON CONFLICT (${quoteAll(shape.primaryKey)}) DO UPDATE SET ${set}`
}
