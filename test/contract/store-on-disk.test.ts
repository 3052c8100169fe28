import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStore } from '../../src/adapters/store/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { columnsOf, uniqueKeysOf } from './store/catalog.ts'
import { certificate, commitOf, insert, outcomes, redeem } from './store/samples.ts'
import { dropIdle, REAL_KINDS, sqlite, type RealDatabase } from './store/subjects.ts'
import { shapeOf, TABLE_NAMES } from '../../src/adapters/store/columns.ts'

afterAll(dropIdle)

const PRISMA = fileURLToPath(new URL('../../prisma/', import.meta.url))

describe.each(REAL_KINDS)('$name on the disk', (kind) => {
  let database: RealDatabase
  let folder: string
  beforeEach(async () => {
    database = await kind.make()
    folder = mkdtempSync(join(tmpdir(), 'writ-migrations-'))
    cpSync(PRISMA, folder, { recursive: true })
  })
  afterEach(async () => {
    rmSync(folder, { recursive: true })
    await database.dispose()
  })

  const migrations = (): URL => pathToFileURL(`${folder}/`)
  const script = (name: string): string => {
    return join(folder, kind.name === 'SQLite' ? 'sqlite' : 'postgresql', 'migrations', name, 'migration.sql')
  }
  const add = (name: string, sql: string): void => {
    cpSync(join(script('0001_first'), '..'), join(script(name), '..'), { recursive: true })
    writeFileSync(script(name), sql)
  }
  const open = () => openStore(database.address, { ...database.options(), migrations: migrations() })

  it('goes on with the numbers of its leaves where it stopped', async () => {
    for (const expected of [0, 3, 6]) {
      const store = await database.open()
      const answers = await Promise.all([1, 2].map(() => store.commit(commitOf([]))))
      expect(answers.map(({ seq }) => seq)).toEqual([expected, expected + 1])
      expect(await outcomes([store.commit(redeem('nobody', 'i-1'))])).toEqual(['CHANGE_SAYS_NO'])
      await store.close()
    }
  })

  it('remembers everything', async () => {
    const first = await database.open()
    await first.commit(commitOf([insert.certificate(certificate('01'))]))
    await first.reserve('a', 5)
    await first.close()
    const second = await database.open()
    expect(await second.find('Certificate', { serial: '01' })).toEqual(certificate('01'))
    expect(await second.reserve('a', 1)).toBe(5)
  })

  it('refuses a second process under the same replica name, and takes it once the first has gone', async () => {
    const first = await database.open('one')
    expect(await codeOfAsync(() => database.open('one'))).toBe('STORE_REPLICA_TAKEN')
    const other = await database.open('two')
    await Promise.all([first.commit(commitOf([])), other.commit(commitOf([]))])
    await first.close()
    expect((await (await database.open('one')).commit(commitOf([]))).seq).toBe(1)
  })

  it('is not used any more once it is closed', async () => {
    const store = await database.open()
    const last = store.commit(commitOf([insert.certificate(certificate('01'))]))
    await Promise.all([last, store.close()])
    expect(await outcomes([last, store.commit(commitOf([])), store.find('Agent', {})])).toEqual([
      'permit',
      'STORE_CLOSED',
      'STORE_CLOSED',
    ])
    await store.close()
  })

  it('has the columns of the records, with the same types, and no table text of another collation', async () => {
    const store = await database.open()
    for (const table of TABLE_NAMES) {
      const { columns, uniqueKeys } = shapeOf(table)
      expect({ table, columns: await columnsOf(database, table) }).toEqual({ table, columns: { ...columns } })
      expect({ table, keys: await uniqueKeysOf(database, table) }).toEqual({
        table,
        keys: uniqueKeys.map((key) => key.join()).sort(),
      })
    }
    await store.close()
  })

  it('applies its migrations once, and later ones later', async () => {
    await (await open()).close()
    await (await open()).close()
    add('0002_more', 'CREATE TABLE "More" ("id" TEXT NOT NULL PRIMARY KEY);')
    await (await open()).close()
    await (await open()).close()
    const store = await open()
    expect(await columnsOf(database, 'More')).toHaveProperty('id')
    await store.close()
    await database.forget('0002_more', 'More')
  })

  it('refuses a migration that was edited after it had been applied', async () => {
    await (await open()).close()
    writeFileSync(script('0001_first'), `${readFileSync(script('0001_first'), 'utf8')}\n-- harmless`)
    expect(await codeOfAsync(open)).toBe('STORE_MIGRATION_EDITED')
  })

  it('refuses a database that a newer release has migrated', async () => {
    add('0002_more', 'CREATE TABLE "More" ("id" TEXT NOT NULL PRIMARY KEY);')
    await (await open()).close()
    rmSync(join(script('0002_more'), '..'), { recursive: true })
    expect(await codeOfAsync(open)).toBe('STORE_MIGRATION_UNKNOWN')
    await database.forget('0002_more', 'More')
  })

  it('is as it was when a migration fails half-way', async () => {
    await (await open()).close()
    add('0002_more', 'CREATE TABLE "More" ("id" TEXT NOT NULL PRIMARY KEY); INSERT INTO "Nowhere" VALUES (1);')
    expect(await codeOfAsync(open)).toBe('STORE_MIGRATION_FAILED')
    rmSync(join(script('0002_more'), '..'), { recursive: true })
    await (await open()).close()
    expect(await columnsOf(database, 'More')).toEqual({})
  })

  it('may be opened by several processes at once while it is new', async () => {
    const opened = await Promise.all(['one', 'two', 'three'].map((replica) => database.open(replica)))
    const answers = await Promise.all(opened.map((store) => store.commit(commitOf([]))))
    expect(answers.map(({ seq }) => seq)).toEqual([0, 0, 0])
  })

  it('sees what another replica has committed', async () => {
    const [one, two] = [await database.open('one'), await database.open('two')]
    await one.commit(commitOf([insert.certificate(certificate('01'))]))
    expect(await two.find('Certificate', { serial: '01' })).not.toBeNull()
    const again = two.commit(commitOf([insert.certificate(certificate('01'))]))
    expect(await outcomes([again])).toEqual(['CHANGE_SAYS_NO'])
  })
})

describe('the file of SQLite', () => {
  let database: RealDatabase
  beforeEach(async () => {
    database = await sqlite.make()
  })
  afterEach(() => database.dispose())

  it('is not made unless one asks for it', async () => {
    const options = { ...database.options(), create: false }
    expect(await codeOfAsync(() => openStore(database.address, options))).toBe('STORE_NOT_FOUND')
    await (await database.open()).close()
    await (await openStore(database.address, options)).close()
  })

  it('can be read by its owner only, and so can what stands beside it', async () => {
    const store = await database.open()
    await store.commit(commitOf([]))
    const path = database.address.slice('file:'.length)
    for (const suffix of ['', '-wal', '-shm', '.one.lock'])
      expect(statSync(`${path}${suffix}`).mode & 0o777).toBe(0o600)
  })

  it.each(['file:', 'file::memory:', 'file:x?mode=memory', 'mysql://localhost/x', 'nonsense'])(
    'has no address like %s',
    async (address) => {
      expect(await codeOfAsync(() => openStore(address, database.options()))).toBe('STORE_URL_INVALID')
    },
  )

  it.each(['', 'a/b', '../x', 'x'.repeat(64)])('is not written under the replica name "%s"', async (replica) => {
    const options = database.options(replica)
    expect(await codeOfAsync(() => openStore(database.address, options))).toBe('STORE_OPTION_INVALID')
  })
})

describe('the migrations', () => {
  it('make exactly what the models say, on both databases', { timeout: 120_000 }, () => {
    const answer = execFileSync(process.execPath, ['scripts/prisma/migrate-diff.mjs'], { encoding: 'utf8' })
    expect(answer).toContain('migrations are current')
  })
})
