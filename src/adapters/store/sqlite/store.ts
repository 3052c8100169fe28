import type { Statement } from 'better-sqlite3'
import type { EnrollSessionRecord } from '#attestation/index.ts'
import type { AdoptionRecord } from '#authority/index.ts'
import type { Commit, Committed, FirstTable, ListQuery, OutboxNews, Reader, Where } from '#flows/ports.ts'
import type { TableName, Tables } from '#flows/tables.ts'
import type { Clock } from '#kernel/clock.ts'
import { after, type Instant, type Milliseconds } from '#kernel/instant.ts'
import { shapeOf } from '../columns.ts'
import { testsOf } from '../conditions.ts'
import { CommitQueue } from '../commit-queue.ts'
import { CounterQueue } from '../counter-queue.ts'
import { storeError } from '../errors.ts'
import { Hints } from '../hints.ts'
import { LogSequence } from '../log-sequence.ts'
import { readMigrations } from '../migrations.ts'
import type { StoreOptions } from '../options.ts'
import { planList } from '../query.ts'
import { decodeRow, encodeRow, type Row, type Stored } from '../rows.ts'
import { Snapshot } from '../snapshot.ts'
import { ADOPTION_KEPT, firstEventId, PERISHABLE, purgeInChunks, SEQUENCE, type Store } from '../store.ts'
import { newUuid } from '../uuid.ts'
import { asStoreError, connect, holdReplica, type Connection } from './connection.ts'
import { SqliteJournal } from './journal.ts'
import { migrate } from './migrate.ts'
import { bind, Statements } from './statements.ts'
import {
  ACQUIRE,
  ADD_TO_COUNTER,
  INSERT_FIRST,
  LAST_SEQUENCE,
  OPEN_ENROLL_SESSION,
  PURGE,
  PURGE_ADOPTION,
  PURGE_OUTBOX,
  READ_MARK,
  RELEASE,
  REPORT_ADOPTION,
  WRITE_MARK,
} from './fixed.ts'

/** The embedded store: one file, one connection, everything synchronous inside. */
export class SqliteStore implements Store {
  readonly kind = 'sqlite'
  readonly #connection: Connection
  readonly #lock: Connection
  readonly #statements: Statements
  readonly #snapshot = new Snapshot()
  readonly #version: Statement
  #lastVersion = 0
  readonly #hints = new Hints()
  readonly #commits: CommitQueue
  readonly #counters: CounterQueue
  readonly #clock: Clock

  private constructor(connection: Connection, lock: Connection, options: StoreOptions) {
    this.#connection = connection
    this.#lock = lock
    this.#clock = options.clock
    this.#statements = new Statements(connection)
    this.#version = connection.prepare('PRAGMA data_version').pluck()
    const last = connection.prepare(LAST_SEQUENCE).pluck().get(options.replica) as number | null
    const sequence = new LogSequence(options, last === null ? 0 : last + 1)
    const journal = new SqliteJournal({
      connection,
      statements: this.#statements,
      sequence,
      onChange: (change) => {
        this.#snapshot.forget(change)
      },
    })
    this.#commits = new CommitQueue(
      (batch) => {
        journal.run(batch)
      },
      () => {
        this.#hints.tell('written')
      },
    )
    this.#counters = new CounterQueue((name, count) => this.#addToCounter(name, count))
  }

  /** @throws STORE_NOT_FOUND, STORE_NOT_DURABLE, STORE_REPLICA_TAKEN, STORE_MIGRATION_*, STORE_UNAVAILABLE */
  static open(path: string, options: StoreOptions): SqliteStore {
    const connection = connect(path, options.create === true ? 'create' : 'refuse')
    let lock: Connection | null = null
    try {
      lock = holdReplica(path, options.replica)
      migrate(connection, readMigrations('sqlite', options.migrations), () => newUuid(options.random))
      return new SqliteStore(connection, lock, options)
    } catch (error) {
      lock?.close()
      connection.close()
      throw asStoreError(error)
    }
  }

  async find<Table extends TableName>(table: Table, where: Where<Table>): Promise<Tables[Table] | null> {
    this.#refresh()
    return this.#find(table, where)
  }

  async list<Table extends TableName>(table: Table, query: ListQuery<Table>): Promise<readonly Tables[Table][]> {
    this.#refresh()
    return this.#list(table, query)
  }

  /** The file is asked at the first read; what is kept after that is no older. */
  together(): Reader {
    let isFresh = false
    const refresh = (): void => {
      if (!isFresh) this.#refresh()
      isFresh = true
    }
    return {
      find: async (table, where) => {
        refresh()
        return this.#find(table, where)
      },
      list: async (table, query) => {
        refresh()
        return this.#list(table, query)
      },
    }
  }

  async #find<Table extends TableName>(table: Table, where: Where<Table>): Promise<Tables[Table] | null> {
    const shape = shapeOf(table)
    const known = this.#snapshot.find(table, where)
    if (known !== undefined) return Promise.resolve(known as Tables[Table] | null)
    const tests = testsOf(shape, where)
    const raw = this.#ask(() => this.#statements.find(shape, tests).get(...bind(tests)))
    const row = raw === undefined ? null : decodeRow(shape, raw as Row)
    this.#snapshot.keepFound(table, where, { row, generation: this.#snapshot.generation })
    return Promise.resolve(row as Tables[Table] | null)
  }

  async #list<Table extends TableName>(table: Table, query: ListQuery<Table>): Promise<readonly Tables[Table][]> {
    const known = this.#snapshot.list(table, query)
    if (known !== undefined) return Promise.resolve(known as unknown as readonly Tables[Table][])
    const { shape, tests, ordering, limit } = planList(table, query)
    const raw = this.#ask(() => this.#statements.list(shape, tests, ordering).all(...bind(tests), limit))
    const rows = raw.map((one) => decodeRow(shape, one as Row))
    this.#snapshot.keepListed(table, query, { rows, generation: this.#snapshot.generation })
    return Promise.resolve(rows as unknown as readonly Tables[Table][])
  }

  commit(commit: Commit): Promise<Committed> {
    return this.#commits.add(commit)
  }

  reserve(name: string, count: number): Promise<number> {
    return this.#counters.reserve(name, count)
  }

  async acquire(name: string, holder: string, length: Milliseconds): Promise<{ readonly fencing: number } | null> {
    const now = this.#clock.now()
    const bound = [name, holder, after(now, length), now, after(now, 2 * length)] as const
    const row = this.#get(ACQUIRE, ...bound) as { fencing: number } | undefined
    return Promise.resolve(row === undefined ? null : { fencing: row.fencing })
  }

  async release(name: string, holder: string): Promise<void> {
    this.#run(RELEASE, name, holder)
    return Promise.resolve()
  }

  async read(replica: string): Promise<Instant | null> {
    const row = this.#get(READ_MARK, replica) as { mark: Instant } | undefined
    return Promise.resolve(row?.mark ?? null)
  }

  async write(replica: string, mark: Instant): Promise<void> {
    this.#run(WRITE_MARK, replica, mark)
    return Promise.resolve()
  }

  async openEnrollSession({ hash, attestor, state, context, expiresAt }: EnrollSessionRecord): Promise<void> {
    this.#run(OPEN_ENROLL_SESSION, hash, attestor, state, JSON.stringify(context), expiresAt)
    return Promise.resolve()
  }

  async insertFirst<Table extends FirstTable>(table: Table, row: Tables[Table]): Promise<boolean> {
    const stored = encodeRow(shapeOf(table), row)
    return Promise.resolve(this.#run(INSERT_FIRST[table], ...Object.values(stored)) === 1)
  }

  async report(rows: readonly AdoptionRecord[]): Promise<void> {
    if (rows.length > 0) this.#run(REPORT_ADOPTION, JSON.stringify(rows))
    return Promise.resolve()
  }

  async databaseNow(): Promise<Instant | null> {
    return Promise.resolve(null)
  }

  async sequence(table: 'LogLeaf' | 'Outbox'): Promise<number> {
    const count = this.#run(SEQUENCE[table])
    if (table === 'Outbox' && count > 0) this.#hints.tell('sequenced')
    return Promise.resolve(count)
  }

  /** Only this process hears of its own writes; another one on the same file looks by itself. */
  subscribe(listener: (news: OutboxNews) => void): () => void {
    return this.#hints.subscribe(listener)
  }

  async purgeOutbox(before: Instant): Promise<number> {
    return purgeInChunks(() => this.#run(PURGE_OUTBOX, firstEventId(before)))
  }

  async purge(before: Instant): Promise<number> {
    let total = 0
    for (const table of PERISHABLE) total += await purgeInChunks(() => this.#run(PURGE[table], before))
    total += await purgeInChunks(() => this.#run(PURGE_ADOPTION, before - ADOPTION_KEPT))
    return total
  }

  async ping(): Promise<void> {
    this.#get('SELECT 1')
    return Promise.resolve()
  }

  async close(): Promise<void> {
    await this.#commits.close()
    this.#connection.close()
    this.#lock.close()
  }

  /** Forgets what is known when somebody else has written to the file: SQLite counts their commits, and not ours. */
  #refresh(): void {
    const version = this.#ask(() => this.#version.get()) as number
    if (version !== this.#lastVersion) this.#snapshot.forgetAll()
    this.#lastVersion = version
  }

  #addToCounter(name: string, count: number): Promise<number> {
    const row = this.#get(ADD_TO_COUNTER, name, count) as { next: number }
    return Promise.resolve(row.next - count)
  }

  #get(sql: string, ...parameters: readonly Stored[]): unknown {
    return this.#ask(() => this.#statements.fixed(sql).get(...parameters))
  }

  #run(sql: string, ...parameters: readonly Stored[]): number {
    return this.#ask(() => this.#statements.fixed(sql).run(...parameters)).changes
  }

  #ask<Answer>(question: () => Answer): Answer {
    if (!this.#connection.open) throw storeError('STORE_CLOSED')
    try {
      return question()
    } catch (error) {
      throw asStoreError(error)
    }
  }
}
