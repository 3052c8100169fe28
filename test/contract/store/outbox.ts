import { afterEach, beforeEach, expect, it } from 'vitest'
import type { OutboxNews } from '#flows/ports.ts'
import { after, DAY, SECOND } from '#kernel/instant.ts'
import { commitOf } from './samples.ts'
import type { Database, Kind, Subject } from './subjects.ts'

const event = (number: number) => ({ type: 'test.event', data: { number } })

/** Hints about the outbox, its positions, and how long it is kept. */
export function outbox(kind: Kind): void {
  let database: Database
  let store: Subject
  beforeEach(async () => {
    database = await kind.make()
    store = await database.open()
  })
  afterEach(() => database.dispose())

  const listening = (subject: Subject): { news: OutboxNews[]; stop: () => void } => {
    const news: OutboxNews[] = []
    return { news, stop: subject.subscribe((one) => news.push(one)) }
  }
  const until = async (holds: () => boolean): Promise<void> => {
    for (let tries = 0; !holds() && tries < 1000; tries++) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(holds()).toBe(true)
  }
  const write = (lock: 'revoke' | 'issue', number: number) =>
    store.commit(commitOf([], { lock, events: [event(number)] }))
  const positions = async () =>
    (await store.list('Outbox', { limit: 1000, orderBy: 'position' })).map((row) => row.position)

  it('a revocation is heard of before it is answered, or soon after; what is issued wakes nobody', async () => {
    const { news, stop } = listening(store)
    await until(() => kind.name !== 'PostgreSQL' || news.length === 2)
    news.length = 0
    await write('issue', 1)
    expect(news).toEqual([])
    await write('revoke', 2)
    await until(() => news.includes('written'))
    news.length = 0
    await store.sequence('Outbox')
    await until(() => news.includes('sequenced'))
    stop()
    await store.sequence('LogLeaf')
    news.length = 0
    await write('revoke', 3)
    expect(news).toEqual([])
  })

  it('other replicas on PostgreSQL hear it as well', async () => {
    if (kind.name !== 'PostgreSQL') return
    const second = await database.open('two')
    const { news, stop } = listening(second)
    await until(() => news.length === 2)
    news.length = 0
    await write('revoke', 1)
    await until(() => news.includes('written'))
    await store.sequence('Outbox')
    await until(() => news.includes('sequenced'))
    stop()
  })

  it('old events are purged, but not the newest, behind which positions go on', async () => {
    for (const number of [1, 2, 3]) await write('issue', number)
    await store.sequence('Outbox')
    database.clock.advance(DAY)
    expect(await store.purgeOutbox(database.clock.now())).toBe(2)
    expect(await positions()).toEqual([2])
    await write('issue', 4)
    await store.sequence('Outbox')
    expect(await positions()).toEqual([2, 3])
    expect(await store.purgeOutbox(database.clock.now())).toBe(1)
    expect(await positions()).toEqual([3])
  })

  it('events without a position, and those of the last days, stay', async () => {
    await write('issue', 1)
    expect(await store.purgeOutbox(after(database.clock.now(), DAY))).toBe(0)
    await store.sequence('Outbox')
    database.clock.advance(10 * SECOND)
    await write('issue', 2)
    await store.sequence('Outbox')
    expect(await store.purgeOutbox(after(database.clock.now(), -5 * SECOND))).toBe(1)
  })
}
