import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Sqlite from 'better-sqlite3'
import pg from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { assertDurable, connect } from '../../src/adapters/store/sqlite/connection.ts'
import { prepareSession } from '../../src/adapters/store/postgresql/connection.ts'
import { certificate, commitOf, insert, outcomes } from '../contract/store/samples.ts'
import {
  dropIdle,
  onServer,
  postgresql,
  REAL_KINDS,
  sqlite,
  type RealDatabase,
  type Subject,
} from '../contract/store/subjects.ts'
import { codeOf, codeOfAsync } from '../support/code-of.ts'

afterAll(dropIdle)

const WRITER = fileURLToPath(new URL('store-writer.ts', import.meta.url))
const NODE = [process.execPath, '--conditions=writ-source', WRITER] as const

const hasPostgresql = REAL_KINDS.includes(postgresql)

/** What is in the database must be whole: leaves without gaps, one row and one event for each of them. */
async function audit(store: Subject): Promise<ReadonlySet<string>> {
  const serials = new Set<string>()
  let after: number | undefined
  for (;;) {
    const page = { orderBy: 'seq', limit: 1000, where: { replica: 'child' } } as const
    const leaves = await store.list('LogLeaf', after === undefined ? page : { ...page, after })
    for (const { seq, object } of leaves) {
      expect(seq).toBe(after === undefined ? 0 : after + 1)
      after = seq
      serials.add(object.slice('certificate:'.length))
    }
    if (leaves.length < 1000) break
  }
  return serials
}

async function stored(store: Subject): Promise<ReadonlySet<string>> {
  const serials = new Set<string>()
  for (let after = ''; ;) {
    const rows = await store.list('Certificate', { limit: 1000, after })
    for (const { serial } of rows) serials.add(serial)
    after = rows.at(-1)?.serial ?? ''
    if (rows.length < 1000) return serials
  }
}

/** Lets a writer write, kills it, and answers what it said. */
async function killWriter(address: string, patience: number): Promise<readonly string[]> {
  const [command, ...args] = NODE
  const child = spawn(command, [...args, address, 'child', '8'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    if (output === '') setTimeout(() => child.kill('SIGKILL'), patience)
    output += chunk
  })
  await new Promise((resolve) => child.once('close', resolve))
  return output.split('\n').slice(0, -1)
}

describe.each(REAL_KINDS)('kill -9 of a process that writes to $name', (kind) => {
  it('loses nothing that was acknowledged, and leaves nothing half-written', { timeout: 120_000 }, async () => {
    const database = await kind.make()
    const acknowledged: string[] = []
    for (let round = 0; round < 4; round++) {
      const lines = await killWriter(database.address, 60 + round * 110)
      acknowledged.push(...lines.filter((line) => line.startsWith('+')).map((line) => line.slice(1)))
    }
    const store = await database.open('reader')
    const [leaves, rows] = [await audit(store), await stored(store)]
    expect(acknowledged.length).toBeGreaterThan(20)
    expect(acknowledged.filter((serial) => !rows.has(serial))).toEqual([])
    expect(leaves).toEqual(rows)
    // The name is free again at once.
    await (await database.open('child')).commit(commitOf([]))
    await database.dispose()
  })
})

describe('SQLite', () => {
  let database: RealDatabase
  beforeEach(async () => {
    database = await sqlite.make()
  })
  afterEach(() => database.dispose())
  const path = () => database.address.slice('file:'.length)

  it('waits for the disk on every connection, also to a file that is there already', async () => {
    await (await database.open()).close()
    for (let again = 0; again < 2; again++) {
      const connection = connect(path(), 'refuse')
      expect(connection.pragma('synchronous', { simple: true })).toBe(2)
      expect(connection.pragma('journal_mode', { simple: true })).toBe('wal')
      connection.close()
    }
  })

  it('refuses a connection that would not', async () => {
    await (await database.open()).close()
    const careless = new Sqlite(path())
    expect(careless.pragma('synchronous', { simple: true })).toBe(1)
    expect(
      codeOf(() => {
        assertDurable(careless)
      }),
    ).toBe('STORE_NOT_DURABLE')
    careless.close()
  })

  it('calls fdatasync once per commit of one caller', { timeout: 120_000 }, async () => {
    await (await database.open('child')).close()
    const folder = mkdtempSync(join(tmpdir(), 'writ-strace-'))
    const count = (commits: number): number => {
      const trace = join(folder, 'trace')
      const options = ['-f', '-qq', '-e', 'trace=fsync,fdatasync', '-o', trace]
      execFileSync('strace', [...options, ...NODE, database.address, 'child', '1', String(commits)])
      return readFileSync(trace, 'utf8').match(/f(data)?sync\(/g)?.length ?? 0
    }
    const [few, many] = [count(10), count(60)]
    expect(many - few).toBeGreaterThanOrEqual(50)
    rmSync(folder, { recursive: true })
  })

  it('fails every commit while somebody else holds the lock, keeps nothing of them, and goes on', async () => {
    const store = await database.open()
    await store.commit(commitOf([insert.certificate(certificate('00'))]))
    const other = new Sqlite(path())
    other.exec('BEGIN IMMEDIATE')
    const attempts = ['01', '02'].map((serial) => store.commit(commitOf([insert.certificate(certificate(serial))])))
    expect(await outcomes(attempts)).toEqual(['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE'])
    other.exec('ROLLBACK')
    other.close()
    const { seq } = await store.commit(commitOf([insert.certificate(certificate('03'))]))
    expect(seq).toBe(1)
    expect([...(await stored(store))]).toEqual(['00', '03'])
  })

  it('acknowledges nothing that a full disk has not taken, and is whole afterwards', { timeout: 120_000 }, async () => {
    await (await database.open()).close()
    // A limit on the size of files stands for the full disk; ignored, its signal becomes an error of write().
    const limited = `trap '' XFSZ; ulimit -f 900; exec "$@"`
    const args = ['-c', limited, 'sh', ...NODE, database.address, 'child', '4', '300']
    const lines = execFileSync('bash', args, { encoding: 'utf8' }).split('\n')
    const acknowledged = lines.filter((line) => line.startsWith('+')).map((line) => line.slice(1))
    expect(acknowledged.length).toBeGreaterThan(0)
    const failures = lines.filter((line) => line.startsWith('-')).map((line) => line.split(' ')[1])
    expect([...new Set(failures)]).toEqual(['STORE_UNAVAILABLE'])
    const store = await database.open('reader')
    const [leaves, rows] = [await audit(store), await stored(store)]
    expect(leaves).toEqual(rows)
    expect([...rows].sort()).toEqual([...acknowledged].sort())
  })
})

// Left out only where WRIT_TEST_WITHOUT_POSTGRES=1 says so; scripts/test always has one.
describe.runIf(hasPostgresql)('a connection to PostgreSQL', () => {
  it('waits for the disk, whatever the database says', async () => {
    const database = await postgresql.make()
    await (await database.open()).close()
    const name = new URL(database.address).pathname.slice(1)
    await onServer(database.address, `ALTER DATABASE "${name}" SET synchronous_commit = off`)
    const client = new pg.Client({ connectionString: database.address })
    await client.connect()
    const before = await client.query('SHOW synchronous_commit')
    await prepareSession(client)
    const after = await client.query('SHOW synchronous_commit')
    expect([before.rows, after.rows]).toEqual([[{ synchronous_commit: 'off' }], [{ synchronous_commit: 'on' }]])
    await client.end()
    await onServer(database.address, `ALTER DATABASE "${name}" RESET synchronous_commit`)
    await database.dispose()
  })

  const honest = {
    synchronous_commit: 'on',
    fsync: 'on',
    full_page_writes: 'on',
    server_encoding: 'UTF8',
    standby: false,
  }
  it.each<[string, object, string]>([
    ['is accepted when all is well', {}, 'ACCEPTED'],
    ['is accepted when a standby must apply, too', { synchronous_commit: 'remote_apply' }, 'ACCEPTED'],
    ['is refused when a commit does not wait', { synchronous_commit: 'local' }, 'STORE_NOT_DURABLE'],
    ['is refused when the server never waits', { fsync: 'off' }, 'STORE_NOT_DURABLE'],
    ['is refused when pages may tear', { full_page_writes: 'off' }, 'STORE_NOT_DURABLE'],
    ['is refused when it is one to a standby', { standby: true }, 'STORE_NOT_DURABLE'],
    ['is refused when text is not UTF-8', { server_encoding: 'SQL_ASCII' }, 'STORE_OPTION_INVALID'],
  ])('%s', async (_, settings, expected) => {
    const query = () => Promise.resolve({ rows: [{ ...honest, ...settings }] })
    expect(await codeOfAsync(() => prepareSession({ query } as unknown as pg.ClientBase))).toBe(expected)
  })
})
