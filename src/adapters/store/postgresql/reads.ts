import type { ListQuery, Reader, Where } from '#flows/ports.ts'
import type { TableName, Tables } from '#flows/tables.ts'
import { shapeOf } from '../columns.ts'
import { testsOf } from '../conditions.ts'
import type { PlannedChange } from '../plan.ts'
import { planList } from '../query.ts'
import { decodeRow } from '../rows.ts'
import { Snapshot } from '../snapshot.ts'
import { listSql, operandsOf } from '../statements.ts'
import { FindQueue, type Query } from './find-queue.ts'
import { READ_VERSION } from './fixed.ts'
import { SINGLE } from './statements.ts'

/** Makes sure that what is kept is as it is in the database. */
type Refresh = () => Promise<void>

/**
 * Reads, some of them from what was read before: only after the database was asked, since the read began, whether
 * anybody has changed anything that is kept (decision 0009).
 */
export class Reads {
  readonly #query: Query
  readonly #finds: FindQueue
  readonly #snapshot = new Snapshot()
  #version = -1
  #boarding: Promise<void> | null = null
  #asking: Promise<void> | null = null

  constructor(query: Query) {
    this.#query = query
    this.#finds = new FindQueue(query)
  }

  find<Table extends TableName>(table: Table, where: Where<Table>): Promise<Tables[Table] | null> {
    return this.#find(table, where, this.#refresh)
  }

  list<Table extends TableName>(table: Table, query: ListQuery<Table>): Promise<readonly Tables[Table][]> {
    return this.#list(table, query, this.#refresh)
  }

  /** The question is asked when the first row is wanted that is kept; what is kept after that is no older. */
  together(): Reader {
    let asked: Promise<void> | null = null
    const refresh: Refresh = () => (asked ??= this.#refresh())
    return {
      find: (table, where) => this.#find(table, where, refresh),
      list: (table, query) => this.#list(table, query, refresh),
    }
  }

  async #find<Table extends TableName>(
    table: Table,
    where: Where<Table>,
    refresh: Refresh,
  ): Promise<Tables[Table] | null> {
    // What is not kept needs no question about it.
    if (this.#snapshot.find(table, where) !== undefined) {
      await refresh()
      const known = this.#snapshot.find(table, where)
      if (known !== undefined) return known as Tables[Table] | null
    }
    const shape = shapeOf(table)
    const tests = testsOf(shape, where)
    const { generation } = this.#snapshot
    const raw = await this.#finds.find(shape, tests)
    const row = raw === null ? null : decodeRow(shape, raw)
    this.#snapshot.keepFound(table, where, { row, generation })
    return row as Tables[Table] | null
  }

  async #list<Table extends TableName>(
    table: Table,
    query: ListQuery<Table>,
    refresh: Refresh,
  ): Promise<readonly Tables[Table][]> {
    if (this.#snapshot.list(table, query) !== undefined) {
      await refresh()
      const known = this.#snapshot.list(table, query)
      if (known !== undefined) return known as unknown as readonly Tables[Table][]
    }
    const { shape, tests, ordering, limit } = planList(table, query)
    const { generation } = this.#snapshot
    const raw = await this.#query(listSql(shape, tests, ordering, SINGLE), [...operandsOf(tests), limit])
    const rows = raw.map((one) => decodeRow(shape, one))
    this.#snapshot.keepListed(table, query, { rows, generation })
    return rows as unknown as readonly Tables[Table][]
  }

  /** Before any of their commits is answered, however they ended. */
  forget(changes: readonly PlannedChange[]): void {
    for (const change of changes) this.#snapshot.forget(change)
  }

  /**
   * A transaction of ours gave this version, and its changes are forgotten: if it is the next one, nobody else has
   * changed anything.
   */
  advance(version: number): void {
    if (version === this.#version + 1) this.#version = version
  }

  /** Whoever comes before the question is sent comes along; its answer is too old for who comes later. */
  readonly #refresh: Refresh = () => {
    this.#boarding ??= this.#depart()
    return this.#boarding
  }

  async #depart(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    // One question at a time: the more there is to do, the more come along.
    // Whoever asked hears of the failure; here it only has to be over.
    await this.#asking?.catch(() => undefined)
    this.#boarding = null
    this.#asking = this.#ask()
    await this.#asking
  }

  async #ask(): Promise<void> {
    const [row] = await this.#query(READ_VERSION, [])
    const version = Number(row?.['next'] ?? 0)
    if (version !== this.#version) this.#snapshot.forgetAll()
    this.#version = version
  }
}
