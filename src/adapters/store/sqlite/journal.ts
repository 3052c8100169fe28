import type { Committed } from '#flows/ports.ts'
import { shapeOf } from '../columns.ts'
import { storeError } from '../errors.ts'
import type { LogRows, LogSequence } from '../log-sequence.ts'
import type { Plan, Waiting } from '../plan.ts'
import { Refused } from '../refusal.ts'
import type { StoredRow } from '../rows.ts'
import type { TableName } from '#flows/tables.ts'
import { asStoreError, type Connection } from './connection.ts'
import { bind, parametersOf, type Statements } from './statements.ts'

type Outcome = { readonly committed: Committed } | { readonly error: unknown }

/**
 * The journal on SQLite: one transaction per batch, and in it the commits one after the other, each in a savepoint.
 * There is no round trip to save here, so a commit sees what its neighbours did, and an error undoes one commit only.
 */
export class SqliteJournal {
  readonly #connection: Connection
  readonly #statements: Statements
  readonly #sequence: LogSequence

  constructor(connection: Connection, statements: Statements, sequence: LogSequence) {
    this.#connection = connection
    this.#statements = statements
    this.#sequence = sequence
  }

  /** Answers every commit of the batch once all of them are on the disk. */
  run(batch: readonly Waiting[]): void {
    const outcomes = this.#transaction(batch)
    batch.forEach((waiting, index) => {
      const outcome = outcomes[index] ?? { error: storeError('STORE_UNAVAILABLE') }
      if ('committed' in outcome) waiting.resolve(outcome.committed)
      else waiting.reject(outcome.error)
    })
  }

  #transaction(batch: readonly Waiting[]): readonly Outcome[] {
    const start = this.#sequence.next
    try {
      this.#fixed('BEGIN IMMEDIATE')
      const outcomes = batch.map(({ plan }) => this.#one(plan))
      this.#fixed('COMMIT')
      return outcomes
    } catch (error) {
      this.#sequence.rewind(start)
      if (this.#connection.inTransaction) this.#fixed('ROLLBACK')
      // SQLite has undone the whole transaction for the sake of one commit: find out which.
      if (error instanceof TransactionLost && batch.length > 1) return batch.flatMap((one) => this.#transaction([one]))
      const failure = asStoreError(error instanceof TransactionLost ? error.cause : error)
      return batch.map(() => ({ error: failure }))
    }
  }

  /** One commit, all or nothing. A refusal leaves its denial leaf. */
  #one(plan: Plan): Outcome {
    const outcome = this.#savepoint(() => this.#apply(plan))
    if ('committed' in outcome || !(outcome.error instanceof Refused)) return outcome
    const { refusal } = outcome.error
    const denial = this.#savepoint(() => this.#write(this.#sequence.denied(plan.leaf, refusal)))
    return 'committed' in denial ? { error: refusal } : denial
  }

  #savepoint(work: () => Committed): Outcome {
    const start = this.#sequence.next
    this.#fixed('SAVEPOINT one')
    try {
      const committed = work()
      this.#fixed('RELEASE one')
      return { committed }
    } catch (error) {
      if (!this.#connection.inTransaction) throw new TransactionLost(error)
      this.#fixed('ROLLBACK TO one')
      this.#fixed('RELEASE one')
      this.#sequence.rewind(start)
      return { error: error instanceof Refused ? error : asStoreError(error) }
    }
  }

  #apply(plan: Plan): Committed {
    for (const guard of plan.guards) {
      const found = this.#statements.guard(guard).get(...bind(guard.tests)) !== undefined
      if (found !== (guard.must === 'exist')) throw new Refused(guard.refuse)
    }
    for (const change of plan.changes) {
      const { changes } = this.#statements.change(change).run(...parametersOf(change))
      if (changes === 0 && change.op !== 'replace') throw new Refused(change.refuse)
    }
    return this.#write(this.#sequence.permitted(plan.leaf, plan.events))
  }

  #write(rows: LogRows): Committed {
    this.#insert('LogLeaf', rows.leaf)
    for (const value of rows.private) this.#insert('LogPrivate', value)
    for (const event of rows.events) this.#insert('Outbox', event)
    return rows.committed
  }

  #insert(table: TableName, row: StoredRow): void {
    const { changes } = this.#statements.insert(shapeOf(table)).run(...Object.values(row))
    // Nobody but a second process under our name can have taken the number.
    if (changes === 0) throw storeError('STORE_REPLICA_TAKEN', { details: { table } })
  }

  #fixed(sql: string): void {
    this.#statements.fixed(sql).run()
  }
}

/** SQLite rolled the transaction back on its own (full disk, I/O error): no savepoint is left to go back to. */
class TransactionLost extends Error {
  constructor(cause: unknown) {
    super('transaction lost', { cause })
  }
}
