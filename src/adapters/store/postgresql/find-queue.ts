import type { TableShape } from '../columns.ts'
import type { Test } from '../conditions.ts'
import type { Row } from '../rows.ts'
import { findSql, operandsOf, testsKey } from '../statements.ts'
import { findManySql, SINGLE, testsMember } from './statements.ts'

/** Sends one statement and answers its rows. */
export type Query = (sql: string, values: readonly unknown[]) => Promise<readonly Row[]>

interface Looking {
  readonly tests: readonly Test[]
  readonly resolve: (row: Row | null) => void
  readonly reject: (error: unknown) => void
}

interface Group {
  readonly shape: TableShape
  readonly waiting: Looking[]
}

/**
 * What is looked for in one turn of the event loop and in the same way is looked for in one statement: it is the
 * statements that cost, not the rows.
 */
export class FindQueue {
  readonly #query: Query
  #groups = new Map<string, Group>()

  constructor(query: Query) {
    this.#query = query
  }

  /** The row as the database gave it. Rejects with what the query rejects with. */
  find(shape: TableShape, tests: readonly Test[]): Promise<Row | null> {
    return new Promise((resolve, reject) => {
      if (this.#groups.size === 0) setImmediate(this.#flush)
      const key = `${shape.name} ${testsKey(tests)}`
      const group = this.#groups.get(key)
      if (group === undefined) this.#groups.set(key, { shape, waiting: [{ tests, resolve, reject }] })
      else group.waiting.push({ tests, resolve, reject })
    })
  }

  readonly #flush = (): void => {
    const groups = this.#groups
    this.#groups = new Map()
    for (const group of groups.values()) void this.#answer(group)
  }

  async #answer({ shape, waiting }: Group): Promise<void> {
    try {
      const rows = await this.#rows(shape, waiting)
      waiting.forEach(({ resolve }, index) => {
        resolve(rows.get(index) ?? null)
      })
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
  }

  async #rows(shape: TableShape, waiting: readonly Looking[]): Promise<ReadonlyMap<number, Row>> {
    const [first] = waiting
    if (first === undefined) return new Map()
    if (waiting.length === 1) {
      const [row] = await this.#query(findSql(shape, first.tests, SINGLE), operandsOf(first.tests))
      return new Map(row === undefined ? [] : [[0, row]])
    }
    const set = waiting.map(({ tests }, index) => ({ o: index, ...testsMember(tests) }))
    const rows = await this.#query(findManySql(shape, first.tests), [JSON.stringify(set)])
    return new Map(rows.map((row) => [Number(row['o']), row]))
  }
}
