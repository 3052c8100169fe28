import { afterEach, beforeEach, expect, it } from 'vitest'
import { after, HOUR, MINUTE, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { commitOf, T0 } from './samples.ts'
import type { Database, Kind, Subject } from './subjects.ts'

/** Counters, leases, clock marks, enroll sessions. */
export function duties(kind: Kind): void {
  let database: Database
  let store: Subject
  beforeEach(async () => {
    database = await kind.make()
    store = await database.open()
  })
  afterEach(() => database.dispose())

  it('a counter starts at 0, goes on, and knows nothing of other counters', async () => {
    expect(await store.reserve('a', 1)).toBe(0)
    expect(await store.reserve('a', 10)).toBe(1)
    expect(await store.reserve('b', 1)).toBe(0)
    expect(await store.reserve('a', 1)).toBe(11)
  })

  it('1000 callers at once get 1000 different numbers', async () => {
    const second = kind.replicas ? await database.open('two') : store
    const attempts = Array.from({ length: 1000 }, async (_, index) => {
      const count = 1 + (index % 3)
      const first = await (index % 2 === 0 ? store : second).reserve('a', count)
      return Array.from({ length: count }, (_unused, offset) => first + offset)
    })
    const numbers = (await Promise.all(attempts)).flat()
    expect(new Set(numbers).size).toBe(numbers.length)
    expect(Math.max(...numbers)).toBe(numbers.length - 1)
  })

  it('a counter refuses to hand out nothing', async () => {
    expect(await codeOfAsync(() => store.reserve('a', 0))).toBe('STORE_QUERY_INVALID')
  })

  it('an enroll session is there for every replica, leaves no leaf, and is purged once it has expired', async () => {
    const second = kind.replicas ? await database.open('two') : store
    const context = { nonce: 'n', chain: 'a b' }
    const session = {
      hash: 'ab',
      attestor: 'x509pop',
      state: 'challenged',
      context,
      expiresAt: after(T0, SECOND),
    } as const
    await store.openEnrollSession(session)
    expect(await second.find('EnrollSession', { hash: 'ab' })).toEqual(session)
    expect(await store.list('LogLeaf', { limit: 1 })).toEqual([])
    expect(await store.purge(after(T0, 2 * SECOND))).toBe(1)
    expect(await second.find('EnrollSession', { hash: 'ab' })).toBeNull()
  })

  it('DP-4 of a hundred who use a proof at once, on every replica, one is first, and it leaves no leaf', async () => {
    const second = kind.replicas ? await database.open('two') : store
    const row = { key: 'dpop:a:b', expiresAt: after(T0, SECOND) }
    const attempts = Array.from({ length: 100 }, (_, index) =>
      (index % 2 === 0 ? store : second).insertFirst('Replay', row),
    )
    expect((await Promise.all(attempts)).filter(Boolean)).toHaveLength(1)
    expect(await second.insertFirst('Replay', row)).toBe(false)
    expect(await second.insertFirst('Replay', { ...row, key: 'dpop:a:c' })).toBe(true)
    expect(await store.list('LogLeaf', { limit: 1 })).toEqual([])
    expect(await store.purge(after(T0, 2 * SECOND))).toBe(2)
  })

  it('a sealing key is the one that came first, on every replica', async () => {
    const second = kind.replicas ? await database.open('two') : store
    const made = { id: 'dpop-nonce:1', secret: Uint8Array.of(1, 0, 255), expiresAt: after(T0, SECOND) }
    expect(await store.insertFirst('SealingKey', made)).toBe(true)
    expect(await second.insertFirst('SealingKey', { ...made, secret: Uint8Array.of(2) })).toBe(false)
    expect(await second.find('SealingKey', { id: 'dpop-nonce:1' })).toEqual(made)
    expect(await store.purge(after(T0, 2 * SECOND))).toBe(1)
  })

  it('of the reports about an instance, of any replica, the latest stays, and none leaves a leaf', async () => {
    const second = kind.replicas ? await database.open('two') : store
    const report = { instance: 'i-1', agent: 'agt_1', authority: 'aut_1', sequence: 7, seenAt: after(T0, SECOND) }
    const other = { ...report, instance: 'i-2', sequence: 0 }
    await store.report([report, other])
    await store.report([])
    await second.report([{ ...report, sequence: 6, seenAt: T0 }])
    expect(await second.find('Adoption', { instance: 'i-1' })).toEqual(report)
    const newer = { ...report, authority: 'aut_2', sequence: 9, seenAt: after(T0, 2 * SECOND) }
    await second.report([newer])
    expect(await store.list('Adoption', { limit: 10 })).toEqual([newer, other])
    expect(await store.list('LogLeaf', { limit: 1 })).toEqual([])
  })

  it('an instance that was not seen for two days is forgotten, and any number of them', async () => {
    const seen = (index: number, seenAt: Instant) => {
      return { instance: `i-${String(index)}`, agent: 'agt_1', authority: 'aut_1', sequence: 7, seenAt }
    }
    await store.report(Array.from({ length: 1_500 }, (_, index) => seen(index, T0)))
    await store.report([seen(9_999, after(T0, SECOND))])
    expect(await store.purge(after(T0, 48 * HOUR + 1))).toBe(1_500)
    expect((await store.list('Adoption', { limit: 10 })).map(({ instance }) => instance)).toEqual(['i-9999'])
  })

  it('two replicas that report the same instances at once do not wait for one another for ever', async () => {
    const second = kind.replicas ? await database.open('two') : store
    const rows = Array.from({ length: 200 }, (_, index) => {
      const instance = `i-${String(index)}`
      return { instance, agent: 'agt_1', authority: 'aut_1', sequence: 7, seenAt: T0 }
    })
    const reports = Array.from({ length: 10 }, (_, index) =>
      index % 2 === 0 ? store.report(rows) : second.report(rows.toReversed()),
    )
    await Promise.all(reports)
    expect(await store.list('Adoption', { limit: 1_000 })).toHaveLength(200)
  })

  /** The clock of a lease is the database's own, or where that has none, the fake one. */
  const pass = async (length: Milliseconds) => {
    database.clock.advance(length)
    await new Promise((resolve) => setTimeout(resolve, length))
  }

  it('a lease has one holder until it runs out, and its fencing token rises with each change', async () => {
    expect(await store.acquire('crl', 'one', MINUTE)).toEqual({ fencing: 1 })
    expect(await store.acquire('crl', 'two', MINUTE)).toBeNull()
    expect(await store.acquire('other', 'two', MINUTE)).toEqual({ fencing: 1 })
    await pass(5)
    expect(await store.acquire('crl', 'one', MINUTE)).toEqual({ fencing: 1 })
    await pass(5)
    expect(await store.acquire('crl', 'two', MINUTE)).toBeNull()
    expect(await store.acquire('crl', 'one', 1)).toEqual({ fencing: 1 })
    await pass(5)
    expect(await store.acquire('crl', 'two', MINUTE)).toEqual({ fencing: 2 })
    expect(await store.acquire('crl', 'one', MINUTE)).toBeNull()
  })

  it('a released lease is free, and whoever does not hold it cannot release it', async () => {
    await store.acquire('crl', 'one', MINUTE)
    await store.release('crl', 'two')
    expect(await store.acquire('crl', 'two', MINUTE)).toBeNull()
    await store.release('crl', 'one')
    expect(await store.acquire('crl', 'two', MINUTE)).toEqual({ fencing: 2 })
  })

  it('a lease that was granted before the clock was set back holds nobody up', async () => {
    await store.acquire('crl', 'one', 2 * HOUR)
    expect(await store.acquire('crl', 'two', HOUR + MINUTE)).toBeNull()
    expect(await store.acquire('crl', 'two', HOUR - MINUTE)).toEqual({ fencing: 2 })
  })

  it('of many who want a free lease at once, one gets it, also when it was held before', async () => {
    const second = kind.replicas ? await database.open('two') : store
    for (const fencing of [1, 2, 3]) {
      const wanted = Array.from({ length: 20 }, (_, index) =>
        (index % 2 ? second : store).acquire('crl', `${String(fencing)}-${String(index)}`, MINUTE),
      )
      const got = await Promise.all(wanted)
      expect(got.filter((lease) => lease !== null)).toEqual([{ fencing }])
      const holder = got.findIndex((lease) => lease !== null)
      await store.release('crl', `${String(fencing)}-${String(holder)}`)
    }
  })

  it('a clock mark is what was last written for that replica', async () => {
    expect(await store.read('one')).toBeNull()
    await store.write('one', after(T0, 5))
    await store.write('two', after(T0, 9))
    expect(await store.read('one')).toBe(after(T0, 5))
    await store.write('one', T0)
    expect(await store.read('one')).toBe(T0)
  })

  it('positions have no gaps, never change, and reach every leaf and event', async () => {
    const second = kind.replicas ? await database.open('two') : store
    const events = [{ type: 'a', data: {} }]
    const write = async (count: number) => {
      const commits = Array.from({ length: count }, (_, index) =>
        (index % 2 ? second : store).commit(commitOf([], { events })),
      )
      await Promise.all(commits)
    }
    const positions = async (table: 'LogLeaf' | 'Outbox') => {
      const rows = await store.list(table, { where: { position: { gte: 0 } }, orderBy: 'position', limit: 1000 })
      return rows.map(({ position }) => position)
    }
    const sequence = async () => [await store.sequence('LogLeaf'), await store.sequence('Outbox')]
    await write(10)
    expect(await sequence()).toEqual([10, 10])
    const first = await store.list('LogLeaf', { where: { position: { lt: 10 } }, limit: 20 })
    await write(1_005)
    expect(await sequence()).toEqual([1_000, 1_000])
    expect(await sequence()).toEqual([5, 5])
    expect(await sequence()).toEqual([0, 0])
    const expected = Array.from({ length: 1_000 }, (_, index) => index)
    expect(await positions('LogLeaf')).toEqual(expected)
    expect(await positions('Outbox')).toEqual(expected)
    expect(await store.list('LogLeaf', { where: { position: { lt: 10 } }, limit: 20 })).toEqual(first)
    const leaves = await store.list('LogLeaf', { orderBy: 'position', limit: 1000, after: 14 })
    for (const replica of ['one', 'two', 'memory']) {
      const numbers = leaves.filter((one) => one.replica === replica).map(({ seq }) => seq)
      expect(numbers).toEqual([...numbers].sort((left, right) => left - right))
    }
  })

  it('two who give positions at once, each in the belief of holding the lease, change none and leave no gap', async () => {
    const second = kind.replicas ? await database.open('two') : store
    const stores = [store, second]
    const events = [{ type: 'a', data: {} }]
    const known = new Map<string, number>()
    const look = async () => {
      for (const { id, position } of await store.list('Outbox', { where: { position: { gte: 0 } }, limit: 1000 })) {
        expect(known.get(id) ?? position).toBe(position)
        if (position !== null) known.set(id, position)
      }
    }
    for (let round = 0; round < 20; round++) {
      const writing = Array.from({ length: 10 }, (_, index) =>
        (index % 2 ? second : store).commit(commitOf([], { events: [...events, ...events] })),
      )
      // One of them may fail: the other has numbered the same.
      await Promise.allSettled([...stores, ...stores].map((one) => one.sequence('Outbox')))
      await Promise.all(writing)
      await Promise.allSettled(stores.map((one) => one.sequence('Outbox')))
      await look()
    }
    while ((await store.sequence('Outbox')) > 0);
    await look()
    const positions = [...known.values()].toSorted((left, right) => left - right)
    expect(positions).toEqual(Array.from({ length: 400 }, (_, index) => index))
  })

  it('the clock of the database is its own or none', async () => {
    const now = await store.databaseNow()
    if (kind.name === 'PostgreSQL') expect(Math.abs(now! - Date.now())).toBeLessThan(60_000)
    else expect(now).toBeNull()
  })
}
