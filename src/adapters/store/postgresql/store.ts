import pg from 'pg'
import type { EnrollSessionRecord } from '#attestation/index.ts'
import type { AdoptionRecord } from '#authority/index.ts'
import type { Commit, Committed, FirstTable, ListQuery, OutboxNews, Reader, Where } from '#flows/ports.ts'
import type { TableName, Tables } from '#flows/tables.ts'
import { toHex } from '#kernel/bytes.ts'
import { instant, type Instant, type Milliseconds } from '#kernel/instant.ts'
import { shapeOf } from '../columns.ts'
import { CommitQueue } from '../commit-queue.ts'
import { CounterQueue } from '../counter-queue.ts'
import { storeError } from '../errors.ts'
import { Hints } from '../hints.ts'
import { LogSequence } from '../log-sequence.ts'
import { readMigrations } from '../migrations.ts'
import type { StoreOptions } from '../options.ts'
import { encodeRow, type Row } from '../rows.ts'
import { ADOPTION_KEPT, firstEventId, PERISHABLE, purgeInChunks, type Store } from '../store.ts'
import { newUuid } from '../uuid.ts'
import { parseTarget, type Target } from './address.ts'
import { asStoreError, clientConfig, connect, prepareSession } from './connection.ts'
import {
  ACQUIRE,
  ADD_TO_COUNTER,
  DATABASE_NOW,
  INSERT_FIRST,
  OPEN_ENROLL_SESSION,
  PURGE,
  PURGE_ADOPTION,
  PURGE_OUTBOX,
  READ_MARK,
  RELEASE,
  REPORT_ADOPTION,
  SEQUENCE_AND_NOTIFY,
  WRITE_MARK,
} from './fixed.ts'
import { PostgresqlJournal } from './journal.ts'
import { migrate } from './migrate.ts'
import { Notifications } from './notifications.ts'
import { Reads } from './reads.ts'
import { openSession, Sessions } from './session.ts'
import { StatementNames } from './statement-names.ts'

const MAX_READERS = 4

/** The store that several replicas share: one connection for the journal, a few for everything else. */
export class PostgresqlStore implements Store {
  readonly kind = 'postgresql'
  readonly #pool: pg.Pool
  readonly #sessions: Sessions
  readonly #reads: Reads
  readonly #hints = new Hints()
  readonly #notifications: Notifications
  readonly #commits: CommitQueue
  readonly #counters: CounterQueue
  readonly #names = new StatementNames()
  #closed = false

  private constructor(pool: pg.Pool, { sessions, sequence, ...listening }: Parts) {
    this.#pool = pool
    this.#sessions = sessions
    const reads = new Reads((sql, values) => this.#query(sql, values))
    this.#reads = reads
    const journal = new PostgresqlJournal(sessions, sequence, reads)
    const tell = (news: OutboxNews): void => {
      this.#hints.tell(news)
    }
    this.#notifications = new Notifications({ ...listening, tell })
    this.#commits = new CommitQueue(
      (batch, isMore) => journal.run(batch, isMore),
      () => {
        tell('written')
      },
    )
    this.#counters = new CounterQueue((name, count) => this.#addToCounter(name, count))
  }

  /** @throws STORE_NOT_FOUND, STORE_NOT_DURABLE, STORE_REPLICA_TAKEN, STORE_MIGRATION_*, STORE_UNAVAILABLE */
  static async open(url: URL, options: StoreOptions): Promise<PostgresqlStore> {
    const target = parseTarget(url, options.passwordFile)
    await prepareDatabase(target, options)
    const nonce = toHex(options.random.bytes(4))
    const session = { target, replica: options.replica, nonce }
    const first = await openSession(session)
    const sequence = new LogSequence(options, first.next)
    const { replica } = options
    const sessions = new Sessions(session, first)
    return new PostgresqlStore(readers(target, replica), { sessions, sequence, target, replica })
  }

  find<Table extends TableName>(table: Table, where: Where<Table>): Promise<Tables[Table] | null> {
    return this.#reads.find(table, where)
  }

  list<Table extends TableName>(table: Table, query: ListQuery<Table>): Promise<readonly Tables[Table][]> {
    return this.#reads.list(table, query)
  }

  together(): Reader {
    return this.#reads.together()
  }

  commit(commit: Commit): Promise<Committed> {
    return this.#commits.add(commit)
  }

  reserve(name: string, count: number): Promise<number> {
    return this.#counters.reserve(name, count)
  }

  async acquire(name: string, holder: string, length: Milliseconds): Promise<{ readonly fencing: number } | null> {
    const [row] = await this.#query(ACQUIRE, [name, holder, length])
    return row === undefined ? null : { fencing: Number(row['fencing']) }
  }

  async release(name: string, holder: string): Promise<void> {
    await this.#query(RELEASE, [name, holder])
  }

  async read(replica: string): Promise<Instant | null> {
    const [row] = await this.#query(READ_MARK, [replica])
    return row === undefined ? null : instant(Number(row['mark']))
  }

  async write(replica: string, mark: Instant): Promise<void> {
    await this.#query(WRITE_MARK, [replica, mark])
  }

  async openEnrollSession({ hash, attestor, state, context, expiresAt }: EnrollSessionRecord): Promise<void> {
    await this.#query(OPEN_ENROLL_SESSION, [hash, attestor, state, JSON.stringify(context), expiresAt])
  }

  async insertFirst<Table extends FirstTable>(table: Table, row: Tables[Table]): Promise<boolean> {
    const stored = encodeRow(shapeOf(table), row)
    return (await this.#result(INSERT_FIRST[table], Object.values(stored))).rowCount === 1
  }

  async report(rows: readonly AdoptionRecord[]): Promise<void> {
    if (rows.length > 0) await this.#query(REPORT_ADOPTION, [JSON.stringify(rows)])
  }

  async databaseNow(): Promise<Instant | null> {
    const [row] = await this.#query(DATABASE_NOW, [])
    return instant(Number(row?.['now']))
  }

  async sequence(table: 'LogLeaf' | 'Outbox'): Promise<number> {
    const [row] = await this.#query(SEQUENCE_AND_NOTIFY[table], [])
    const count = Number(row?.['count'])
    if (table === 'Outbox' && count > 0) this.#hints.tell('sequenced')
    return count
  }

  /** The first who listens opens the connection on which other replicas are heard. */
  subscribe(listener: (news: OutboxNews) => void): () => void {
    this.#notifications.start()
    return this.#hints.subscribe(listener)
  }

  async purgeOutbox(before: Instant): Promise<number> {
    const first = firstEventId(before)
    return purgeInChunks(async () => (await this.#result(PURGE_OUTBOX, [first])).rowCount ?? 0)
  }

  async purge(before: Instant): Promise<number> {
    let total = 0
    for (const table of PERISHABLE) {
      total += await purgeInChunks(async () => (await this.#result(PURGE[table], [before])).rowCount ?? 0)
    }
    const unseen = before - ADOPTION_KEPT
    total += await purgeInChunks(async () => (await this.#result(PURGE_ADOPTION, [unseen])).rowCount ?? 0)
    return total
  }

  async ping(): Promise<void> {
    await this.#query('SELECT 1', [])
  }

  async close(): Promise<void> {
    await this.#commits.close()
    if (this.#closed) return
    this.#closed = true
    await this.#notifications.close()
    await this.#sessions.close()
    await this.#pool.end()
  }

  async #addToCounter(name: string, count: number): Promise<number> {
    const [row] = await this.#query(ADD_TO_COUNTER, [name, count])
    return Number(row?.['next']) - count
  }

  async #query(sql: string, values: readonly unknown[]): Promise<readonly Row[]> {
    return (await this.#result(sql, values)).rows
  }

  async #result(text: string, values: readonly unknown[]): Promise<pg.QueryResult<Record<string, unknown>>> {
    if (this.#closed) throw storeError('STORE_CLOSED')
    try {
      return await this.#pool.query({ name: this.#names.of(text).name, text, values: [...values] })
    } catch (error) {
      throw asStoreError(error)
    }
  }
}

interface Parts {
  readonly sessions: Sessions
  readonly sequence: LogSequence
  readonly target: Target
  readonly replica: string
}

function readers(target: Target, replica: string): pg.Pool {
  const config = clientConfig(target, `writ ${replica.slice(0, 40)} reader`)
  const pool = new pg.Pool({
    ...config,
    max: MAX_READERS,
    verify: (client, done) => {
      prepareSession(client).then(() => {
        done()
      }, done)
    },
  })
  // An idle connection that breaks is replaced; without a listener it would end the process.
  pool.on('error', () => undefined)
  return pool
}

async function prepareDatabase(target: Target, options: StoreOptions): Promise<void> {
  const client = await connect(target, 'writ migration')
  try {
    await migrate(client, {
      migrations: readMigrations('postgresql', options.migrations),
      missing: options.create === true ? 'create' : 'refuse',
      newUuid: () => newUuid(options.random),
    })
  } catch (error) {
    throw asStoreError(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}
