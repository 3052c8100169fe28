import type { Statement } from 'better-sqlite3'
import type { TableShape } from '../columns.ts'
import type { Test } from '../conditions.ts'
import type { PlannedChange, PlannedGuard } from '../plan.ts'
import type { Stored, StoredRow } from '../rows.ts'
import {
  findSql,
  listSql,
  operandsOf,
  quote,
  quoteAll,
  testsKey,
  whereSql,
  type Dialect,
  type Ordering,
} from '../statements.ts'
import type { Connection } from './connection.ts'

const DIALECT: Dialect = {
  placeholder: () => '?',
  among: (column, parameter) => `${column} IN (SELECT value FROM json_each(${parameter}))`,
}

/** What `bind` gives for the operands of conditions: lists travel as JSON. */
export function bind(tests: readonly Test[]): Stored[] {
  return operandsOf(tests).map((operand) => (typeof operand === 'object' ? JSON.stringify(operand) : operand))
}

/** The same for several guards. */
export function bindAll(guards: readonly PlannedGuard[]): Stored[] {
  return guards.flatMap(({ tests }) => bind(tests))
}

/** Prepared statements of one connection, each prepared once per shape. */
export class Statements {
  readonly #connection: Connection
  readonly #prepared = new Map<string, Statement>()

  constructor(connection: Connection) {
    this.#connection = connection
  }

  find(shape: TableShape, tests: readonly Test[]): Statement {
    return this.#get(`find ${shape.name} ${testsKey(tests)}`, () => findSql(shape, tests, DIALECT))
  }

  list(shape: TableShape, tests: readonly Test[], ordering: Ordering): Statement {
    const key = `list ${shape.name} ${testsKey(tests)} ${ordering.column} ${ordering.direction}`
    return this.#get(key, () => listSql(shape, tests, ordering, DIALECT))
  }

  /** Answers one row: for each guard in their order 1 where there is such a row, otherwise 0. */
  guards(guards: readonly PlannedGuard[]): Statement {
    let key = 'guards'
    for (const { shape, tests } of guards) key += ` ${shape.name} ${testsKey(tests)}`
    return this.#get(key, () => `SELECT ${guards.map(existsSql).join(', ')}`, true)
  }

  insert(shape: TableShape): Statement {
    return this.#get(`insert ${shape.name}`, () => `${insertSql(shape)} ON CONFLICT DO NOTHING`)
  }

  change(change: PlannedChange): Statement {
    switch (change.op) {
      case 'insert':
        return this.insert(change.shape)
      case 'replace':
        return this.#get(`replace ${change.shape.name}`, () => replaceSql(change.shape))
      case 'update':
        return this.#update(change.shape, change.tests, change.values)
      case 'count':
        return this.fixed(COUNT)
      case 'delete':
        return this.#delete(change.shape, change.tests)
    }
  }

  /** Statements that are not made from shapes. */
  fixed(sql: string): Statement {
    return this.#get(sql, () => sql)
  }

  #update(shape: TableShape, tests: readonly Test[], values: StoredRow): Statement {
    const columns = Object.keys(values)
    return this.#get(`update ${shape.name} ${columns.join()} ${testsKey(tests)}`, () => {
      const set = columns.map((column) => `${quote(column)} = ?`).join(', ')
      return `UPDATE ${quote(shape.name)} SET ${set} WHERE ${whereSql(shape, tests, 1, DIALECT)}`
    })
  }

  #delete(shape: TableShape, tests: readonly Test[]): Statement {
    const key = `delete ${shape.name} ${testsKey(tests)}`
    return this.#get(key, () => `DELETE FROM ${quote(shape.name)} WHERE ${whereSql(shape, tests, 1, DIALECT)}`)
  }

  #get(key: string, sql: () => string, raw = false): Statement {
    const known = this.#prepared.get(key)
    if (known !== undefined) return known
    const statement = this.#connection.prepare(sql())
    if (raw) statement.raw()
    this.#prepared.set(key, statement)
    return statement
  }
}

function existsSql({ shape, tests }: PlannedGuard): string {
  return `EXISTS (SELECT 1 FROM ${quote(shape.name)} WHERE ${whereSql(shape, tests, 1, DIALECT)})`
}

/** Name of the counter and what it must be below, twice. */
const COUNT = `INSERT INTO "Counter" ("name", "next") SELECT ?, 1 WHERE ? > 0
  ON CONFLICT ("name") DO UPDATE SET "next" = "next" + 1 WHERE "next" < ?`

function insertSql(shape: TableShape): string {
  const columns = Object.keys(shape.columns)
  return `INSERT INTO ${quote(shape.name)} (${quoteAll(columns)}) VALUES (${columns.map(() => '?').join(', ')})`
}

function replaceSql(shape: TableShape): string {
  const rest = Object.keys(shape.columns).filter((column) => !shape.primaryKey.includes(column))
  const set = rest.map((column) => `${quote(column)} = excluded.${quote(column)}`).join(', ')
  return `${insertSql(shape)} ON CONFLICT (${quoteAll(shape.primaryKey)}) DO UPDATE SET ${set}`
}

/** The values that a change's statement has parameters for, in their order. */
export function parametersOf(change: PlannedChange): Stored[] {
  switch (change.op) {
    case 'insert':
    case 'replace':
      return Object.values(change.values)
    case 'count':
      return [...Object.values(change.values), change.values['next'] ?? null]
    case 'update':
      return [...Object.values(change.values), ...bind(change.tests)]
    case 'delete':
      return bind(change.tests)
  }
}
