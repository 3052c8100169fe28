import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { leafMaker } from '#audit/index.ts'
import type {
  ClockMarks,
  Counters,
  EnrollSessions,
  Firsts,
  Journal,
  Leases,
  OutboxSignal,
  Reader,
  Sequencer,
} from '#flows/ports.ts'
import type { Instant } from '#kernel/instant.ts'
import { TABLE_NAMES } from '../../../src/adapters/store/columns.ts'
import { openStore, type StoreOptions } from '../../../src/adapters/store/index.ts'
import { SystemRandom } from '../../../src/adapters/system/index.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { storePassword } from '../../support/store-password.ts'
import { MemoryStore } from '../../fakes/memory-store.ts'

/** What the suite asks of every store. */
export interface Subject
  extends Reader, Journal, Counters, Leases, Sequencer, OutboxSignal, ClockMarks, EnrollSessions, Firsts {
  purge(before: Instant): Promise<number>
  purgeOutbox(before: Instant): Promise<number>
  close(): Promise<void>
}

/** One empty database, until `dispose`. */
export interface Database {
  readonly clock: FakeClock
  /** Opens it; the same replica only after the earlier one is closed. */
  open(replica?: string): Promise<Subject>
  dispose(): Promise<void>
}

/** One that outlives the object that opened it. */
export interface RealDatabase extends Database {
  readonly address: string
  options(replica?: string): StoreOptions
  /** Takes back what a migration of a test has made, so that the database can be used again. */
  forget(migration: string, table: string): Promise<void>
}

export interface Kind<Made extends Database = Database> {
  readonly name: string
  /** Several replicas may be open at once, and see what the others do. */
  readonly replicas: boolean
  make(): Promise<Made>
}

export const memory: Kind = {
  name: 'the store in memory',
  replicas: false,
  make() {
    const clock = new FakeClock()
    const store = new MemoryStore({ clock })
    return Promise.resolve({ clock, open: () => Promise.resolve(store), dispose: () => Promise.resolve() })
  },
}

export const sqlite: Kind<RealDatabase> = {
  name: 'SQLite',
  replicas: true,
  make() {
    const folder = mkdtempSync(join(tmpdir(), 'writ-store-'))
    const database = real(`file:${join(folder, 'writ.db')}`, () => {
      rmSync(folder, { recursive: true })
      return Promise.resolve()
    })
    return Promise.resolve(database)
  },
}

export const postgresql: Kind<RealDatabase> = {
  name: 'PostgreSQL',
  replicas: true,
  async make() {
    const used = idle.pop()
    if (used !== undefined) return real(used, () => wipe(used))
    const name = `writ_test_${Buffer.from(new SystemRandom().bytes(6)).toString('hex')}`
    await onServer(serverUrl(), `CREATE DATABASE "${name}"`)
    const url = new URL(serverUrl())
    url.pathname = `/${name}`
    return real(url.href, () => wipe(url.href))
  },
}

/** Making a database costs far more than emptying one. */
const idle: string[] = []

async function wipe(address: string): Promise<void> {
  await onServer(address, TABLE_NAMES.map((table) => `DELETE FROM "${table}"`).join('; '))
  await onServer(address, 'DELETE FROM "Counter"; DELETE FROM "Lease"; DELETE FROM "ClockMark"')
  idle.push(address)
}

/** For `afterAll`: drops the databases that wait to be used again. */
export async function dropIdle(): Promise<void> {
  for (const address of idle.splice(0)) {
    await onServer(serverUrl(), `DROP DATABASE "${new URL(address).pathname.slice(1)}" WITH (FORCE)`)
  }
}

function serverUrl(): string {
  const url = process.env['WRIT_TEST_POSTGRES']
  if (url === undefined || url === '') {
    throw new Error('set WRIT_TEST_POSTGRES to postgresql://user@host:port/database, or WRIT_TEST_WITHOUT_POSTGRES=1')
  }
  return url
}

export async function onServer(address: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: address })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

function real(address: string, dispose: () => Promise<void>): RealDatabase {
  const clock = new FakeClock()
  const opened: Subject[] = []
  const options = (replica = 'one'): StoreOptions => {
    const random = new SystemRandom()
    return { replica, clock, random, makeLeaf: leafMaker(random), create: true, ...storePassword() }
  }
  return {
    clock,
    address,
    options,
    async forget(migration, table) {
      if (address.startsWith('file:')) return
      await onServer(address, `DROP TABLE "${table}"`)
      await onServer(address, `DELETE FROM "_prisma_migrations" WHERE migration_name = '${migration}'`)
    },
    async open(replica) {
      const store = await openStore(address, options(replica))
      opened.push(store)
      return store
    },
    async dispose() {
      await Promise.all(opened.map((store) => store.close()))
      await dispose()
    },
  }
}

const without = process.env['WRIT_TEST_WITHOUT_POSTGRES'] === '1'

/** PostgreSQL is left out only when somebody says so; without a server its tests fail. */
export const REAL_KINDS: readonly Kind<RealDatabase>[] = without ? [sqlite] : [sqlite, postgresql]
export const KINDS: readonly Kind[] = [memory, ...REAL_KINDS]
