import type { TableName } from '#flows/tables.ts'
import { shapeOf, type TableShape } from './columns.ts'
import { passes, testsOf, type Test } from './conditions.ts'
import type { PlannedChange } from './plan.ts'
import type { Row } from './rows.ts'

/**
 * The tables that every hot request asks for rows that seldom change, and the unique column that it asks by. A row is
 * kept once it is settled: an intent is about to change, whoever looks at it.
 */
const KEYS = {
  Agent: 'id',
  Instance: 'id',
  Certificate: 'serial',
  Resource: 'audience',
  Task: 'id',
  TaskToken: 'jti',
} as const satisfies Partial<Record<TableName, string>>

const MOST_ROWS = 5_000

type Answer = Row | readonly Row[] | null

/**
 * Rows as the database has them, kept between requests. It knows nothing of other writers: whoever asks it makes sure
 * before that the database has not changed but by the changes that were told to `forget`.
 */
export class Snapshot {
  readonly #tables = new Map<TableName, Rows>()
  /** Answers of any form about cutoffs, nearly all of which say that there is none. */
  readonly #cutoffs = new Bounded<Answer>()
  #generation = 0

  constructor() {
    for (const [table, key] of Object.entries(KEYS)) this.#tables.set(table as TableName, new Rows(table, key))
  }

  /** What `keep` must be told, taken before the database is asked: an answer that was overtaken is not kept. */
  get generation(): number {
    return this.#generation
  }

  /** Undefined when it is not known. @throws STORE_QUERY_INVALID where the database would not be asked either */
  find(table: TableName, where: object): Row | null | undefined {
    if (table === 'Cutoff') return this.#cutoffs.get(nameOf('find', where)) as Row | null | undefined
    return this.#tables.get(table)?.find(where)
  }

  list(table: TableName, query: object): readonly Row[] | undefined {
    if (table !== 'Cutoff') return undefined
    return this.#cutoffs.get(nameOf('list', query)) as readonly Row[] | undefined
  }

  keepFound(table: TableName, where: object, answer: { readonly row: Row | null; readonly generation: number }): void {
    if (answer.generation !== this.#generation) return
    if (table === 'Cutoff') this.#cutoffs.set(nameOf('find', where), answer.row)
    else if (answer.row !== null) this.#tables.get(table)?.keep(answer.row)
  }

  keepListed(
    table: TableName,
    query: object,
    answer: { readonly rows: readonly Row[]; readonly generation: number },
  ): void {
    if (table !== 'Cutoff' || answer.generation !== this.#generation) return
    this.#cutoffs.set(nameOf('list', query), answer.rows)
  }

  /** What a change of our own may have made untrue. */
  forget(change: PlannedChange): void {
    if (!isFelt(change)) return
    this.#generation++
    if (change.shape.name === 'Cutoff') this.#cutoffs.clear()
    else this.#tables.get(change.shape.name as TableName)?.forget(change)
  }

  /** Somebody else has changed something. */
  forgetAll(): void {
    this.#cutoffs.clear()
    for (const rows of this.#tables.values()) rows.clear()
    this.#generation++
  }
}

/**
 * Whether a change can make anything untrue that a snapshot keeps, here or on another replica. A row that is new can
 * not: that there is none is kept of cutoffs only.
 */
export function isFelt(change: PlannedChange): boolean {
  const { name } = change.shape
  if (name === 'Cutoff') return true
  if (!(name in KEYS) || change.op === 'insert') return false
  return change.op === 'replace' || !isOfIntents(change.tests)
}

/** An intent is never kept, so that nobody needs to hear what becomes of it. */
function isOfIntents(tests: readonly Test[]): boolean {
  return tests.some(({ column, operand, operator }) => column === 'state' && operator === 'eq' && operand === 'intent')
}

function isSettled(row: Row): boolean {
  return row['state'] !== 'intent'
}

function nameOf(form: 'find' | 'list', query: object): string {
  return `${form} ${JSON.stringify(query)}`
}

/** The one that was kept first makes room. */
class Bounded<Value> {
  readonly #values = new Map<string, Value>()

  get(name: string): Value | undefined {
    return this.#values.get(name)
  }

  set(name: string, value: Value): void {
    const [first] = this.#values.keys()
    if (this.#values.size >= MOST_ROWS && first !== undefined) this.#values.delete(first)
    this.#values.set(name, value)
  }

  delete(name: string): void {
    this.#values.delete(name)
  }

  clear(): void {
    this.#values.clear()
  }
}

/** Rows of one table by their key. That there is no row is never kept. */
class Rows {
  readonly #shape: TableShape
  readonly #key: string
  readonly #rows = new Bounded<Row>()

  constructor(table: string, key: string) {
    this.#shape = shapeOf(table as TableName)
    this.#key = key
  }

  find(where: object): Row | null | undefined {
    const wanted = (where as Row)[this.#key]
    const row = typeof wanted === 'string' ? this.#rows.get(wanted) : undefined
    if (row === undefined) return undefined
    for (const column in where) {
      const condition = (where as Row)[column]
      const isPlain = typeof condition === 'string' && column in this.#shape.columns
      if (isPlain ? row[column] !== condition : !this.#passes(row, where)) return null
    }
    return row
  }

  #passes(row: Row, where: object): boolean {
    return testsOf(this.#shape, where).every((test) => passes(test, row[test.column]))
  }

  keep(row: Row): void {
    if (isSettled(row)) this.#rows.set(row[this.#key] as string, Object.freeze(row))
  }

  /** The one row that it names, or every row where it says it in another way. */
  forget(change: PlannedChange): void {
    const tests = 'tests' in change ? change.tests : []
    const key = tests.find(({ column, operator }) => column === this.#key && operator === 'eq')?.operand
    if (typeof key === 'string') this.#rows.delete(key)
    else this.#rows.clear()
  }

  clear(): void {
    this.#rows.clear()
  }
}
