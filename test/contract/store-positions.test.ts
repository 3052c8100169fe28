import pg from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SEQUENCE_AND_NOTIFY } from '../../src/adapters/store/postgresql/fixed.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { dropIdle, onServer, REAL_KINDS, type RealDatabase, type Subject } from './store/subjects.ts'

afterAll(dropIdle)

/** What is written between the moment at which another replica looked and that at which it has numbered. */
describe.each(REAL_KINDS.filter(({ name }) => name === 'PostgreSQL'))('two replicas that number on $name', (kind) => {
  let database: RealDatabase
  let store: Subject
  let other: pg.Client
  let watcher: pg.Client
  beforeEach(async () => {
    database = await kind.make()
    store = await database.open()
    const clients = [1, 2].map(() => new pg.Client({ connectionString: database.address }))
    await Promise.all(clients.map((client) => client.connect()))
    ;[other, watcher] = clients as [pg.Client, pg.Client]
  })
  afterEach(async () => {
    await Promise.all([other.end(), watcher.end()])
    await database.dispose()
  })

  const add = (ids: readonly string[]) => {
    const rows = ids.map((id) => `('${id}', 'a', '{}', 0)`)
    return onServer(database.address, `INSERT INTO "Outbox" ("id", "type", "data", "createdAt") VALUES ${rows.join()}`)
  }
  const positions = async () => {
    const rows = await store.list('Outbox', { orderBy: 'id', limit: 100 })
    return rows.map(({ id, position }) => `${id} ${String(position)}`)
  }
  const isWaiting = async () => {
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
    return (await watcher.query(waiting)).rows.length > 0
  }

  it('never change the position of an event: the one who comes second is refused, and goes on afterwards', async () => {
    await add(['evt_9', 'evt_8', 'evt_7'])
    // 1. The one has numbered, and not committed yet.
    await other.query('BEGIN')
    await other.query(SEQUENCE_AND_NOTIFY.Outbox)
    // 2. The other finds one more, which comes before them, and waits for the rows of the first.
    await add(['evt_1'])
    const second = codeOfAsync(() => store.sequence('Outbox'))
    while (!(await isWaiting()));
    await other.query('COMMIT')
    expect(await second).toMatch(/^STORE_/)
    // 3. What had a position has it still.
    expect(await positions()).toEqual(['evt_1 null', 'evt_7 0', 'evt_8 1', 'evt_9 2'])
    expect(await store.sequence('Outbox')).toBe(1)
    expect(await positions()).toEqual(['evt_1 3', 'evt_7 0', 'evt_8 1', 'evt_9 2'])
  })

  it('both succeed where they found the same', async () => {
    await add(['evt_9', 'evt_8'])
    await other.query('BEGIN')
    await other.query(SEQUENCE_AND_NOTIFY.Outbox)
    const second = store.sequence('Outbox')
    while (!(await isWaiting()));
    await other.query('COMMIT')
    expect(await second).toBe(0)
    expect(await positions()).toEqual(['evt_8 0', 'evt_9 1'])
  })
})
