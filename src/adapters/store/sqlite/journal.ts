import type { Committed } from '#flows/ports.ts'
import { shapeOf } from '../columns.ts'
import { storeError } from '../errors.ts'
import type { LogRows, LogSequence } from '../log-sequence.ts'
import type { Plan, PlannedChange, Waiting } from '../plan.ts'
import { Refused } from '../refusal.ts'
import type { StoredRow } from '../rows.ts'
import type { TableName } from '#flows/tables.ts'
import { asStoreError, type Connection } from './connection.ts'
import { bindAll, parametersOf, type Statements } from './statements.ts'

type Outcome = { readonly committed: Committed } | { readonly error: unknown }

export interface SqliteJournalParts {
  readonly connection: Connection
  readonly statements: Statements
  readonly sequence: LogSequence
  /** Told of each change while it is made: whatever becomes of the transaction, what was known before is in doubt. */
  readonly onChange: (change: PlannedChange) => void
}

/**
 * The journal on SQLite: one transaction per batch, and in it the commits one after the other: there is no round trip
 * to save, so a commit sees what its neighbours did. A savepoint around each commit costs as much as its statements,
 * so there is none at first: a commit that loses before it has changed anything is refused as it stands, and when one
 * fails later, the whole batch is undone and run again with savepoints, which undo that one only.
 */
export class SqliteJournal {
  readonly #connection: Connection
  readonly #statements: Statements
  readonly #sequence: LogSequence
  readonly #onChange: (change: PlannedChange) => void

  constructor({ connection, statements, sequence, onChange }: SqliteJournalParts) {
    this.#connection = connection
    this.#statements = statements
    this.#sequence = sequence
    this.#onChange = onChange
  }

  /** Answers every commit of the batch once all of them are on the disk. */
  run(batch: readonly Waiting[]): void {
    const outcomes = this.#outcomes(batch)
    batch.forEach((waiting, index) => {
      const outcome = outcomes[index] ?? { error: storeError('STORE_UNAVAILABLE') }
      if ('committed' in outcome) waiting.resolve(outcome.committed)
      else waiting.reject(outcome.error)
    })
  }

  #outcomes(batch: readonly Waiting[]): readonly Outcome[] {
    const fast = this.#transaction(batch, (plan) => this.#unprotected(plan))
    if (fast !== null) return fast
    const careful = this.#transaction(batch, (plan) => this.#protected(plan))
    if (careful !== null) return careful
    // SQLite has undone the whole transaction for the sake of one commit: find out which.
    if (batch.length > 1) return batch.flatMap((one) => this.#outcomes([one]))
    return [{ error: storeError('STORE_UNAVAILABLE') }]
  }

  /** Null when it was undone for the sake of one commit. */
  #transaction(batch: readonly Waiting[], one: (plan: Plan) => Outcome): readonly Outcome[] | null {
    const start = this.#sequence.next
    try {
      this.#fixed('BEGIN IMMEDIATE')
      const outcomes = batch.map(({ plan }) => one(plan))
      this.#fixed('COMMIT')
      return outcomes
    } catch (error) {
      this.#sequence.rewind(start)
      if (this.#connection.inTransaction) this.#fixed('ROLLBACK')
      if (error instanceof Undone && (batch.length > 1 || error.byUs)) return null
      const failure = asStoreError(error instanceof Undone ? error.cause : error)
      return batch.map(() => ({ error: failure }))
    }
  }

  /** @throws Undone when it fails after it may have changed something */
  #unprotected(plan: Plan): Outcome {
    try {
      return { committed: this.#apply(plan) }
    } catch (error) {
      if (!(error instanceof Refused)) throw new Undone(error, true)
      try {
        this.#write(this.#sequence.denied(plan.leaf, error.refusal))
      } catch (cause) {
        throw new Undone(cause, true)
      }
      return { error: error.refusal }
    }
  }

  /** One commit, all or nothing. A refusal leaves its denial leaf. @throws Undone by SQLite */
  #protected(plan: Plan): Outcome {
    const outcome = this.#savepoint(() => this.#apply(plan))
    if ('committed' in outcome) return outcome
    const lost = outcome.error instanceof RefusedLate ? outcome.error.refused : outcome.error
    if (!(lost instanceof Refused)) return outcome
    const { refusal } = lost
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
      if (!this.#connection.inTransaction) throw new Undone(error, false)
      this.#fixed('ROLLBACK TO one')
      this.#fixed('RELEASE one')
      this.#sequence.rewind(start)
      return { error: error instanceof Refused || error instanceof RefusedLate ? error : asStoreError(error) }
    }
  }

  /** @throws Refused when nothing has been changed, RefusedLate otherwise */
  #apply({ guards, changes, leaf, events }: Plan): Committed {
    if (guards.length > 0) {
      const found = this.#statements.guards(guards).get(...bindAll(guards)) as readonly number[]
      guards.forEach(({ must, refuse }, index) => {
        if ((found[index] === 1) !== (must === 'exist')) throw new Refused(refuse)
      })
    }
    changes.forEach((change, index) => {
      this.#onChange(change)
      const taken = this.#statements.change(change).run(...parametersOf(change)).changes > 0
      if (taken || change.op === 'replace') return
      const refused = new Refused(change.refuse)
      throw index === 0 ? refused : new RefusedLate(refused)
    })
    return this.#write(this.#sequence.permitted(leaf, events))
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

/** A commit was refused after its first change had taken effect: that has to be undone. */
class RefusedLate extends Error {
  readonly refused: Refused

  constructor(refused: Refused) {
    super('refused late')
    this.refused = refused
  }
}

/**
 * The whole transaction has to be run in another way: by us, since one commit failed that has no savepoint, or by SQLite
 * (full disk, I/O error), which leaves no savepoint to go back to.
 */
class Undone extends Error {
  readonly byUs: boolean

  constructor(cause: unknown, byUs: boolean) {
    super('transaction undone', { cause })
    this.byUs = byUs
  }
}
