import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Change, Where } from '#flows/ports.ts'
import { readTogether } from '#flows/read-together.ts'
import type { TableName, Tables } from '#flows/tables.ts'
import { instant } from '#kernel/instant.ts'
import { agent, certificate, changeSaysNo, commitOf, cutoff, insert, outcomes, T0 } from './samples.ts'
import type { Database, Kind, Subject } from './subjects.ts'

/** What was read before never hides what was committed since, by whomever. */
export function snapshots(kind: Kind): void {
  let database: Database
  let store: Subject
  let other: Subject
  beforeEach(async () => {
    database = await kind.make()
    store = await database.open('one')
    other = kind.replicas ? await database.open('two') : store
  })
  afterEach(() => database.dispose())

  const set = <Table extends 'Agent' | 'Certificate'>(
    table: Table,
    where: Where<Table>,
    values: Partial<Tables[Table]>,
  ): Change => ({ op: 'update', table, where, set: values, refuse: changeSaysNo }) as unknown as Change
  const state = async <Table extends TableName & ('Agent' | 'Certificate')>(table: Table, where: Where<Table>) =>
    (await store.find(table, where))?.state ?? null

  it('a change is seen by the next read, at the same replica and at another one', async () => {
    await store.commit(commitOf([insert.agent(agent('agt_1'))]))
    for (const [index, writer] of [store, other, store, other].entries()) {
      expect(await state('Agent', { id: 'agt_1' })).not.toBeNull()
      const next = index % 2 === 0 ? 'suspended' : 'active'
      await writer.commit(commitOf([set('Agent', { id: 'agt_1' }, { state: next })], { lock: 'revoke' }))
      expect(await state('Agent', { id: 'agt_1' })).toBe(next)
      expect(await state('Agent', { id: 'agt_1', state: 'active' })).toBe(next === 'active' ? 'active' : null)
    }
  })

  it('a change that names its row in another way is seen as well', async () => {
    const row = certificate('01', { state: 'issued', lineage: 'lin_9' })
    await store.commit(commitOf([insert.certificate(row)]))
    expect(await state('Certificate', { serial: '01' })).toBe('issued')
    await other.commit(commitOf([set('Certificate', { lineage: 'lin_9' }, { state: 'revoked' })]))
    expect(await state('Certificate', { serial: '01', kind: 'svid' })).toBe('revoked')
  })

  it('an intent is seen when it has become a certificate, and a row when it has come', async () => {
    expect(await state('Certificate', { serial: '01' })).toBeNull()
    await other.commit(commitOf([insert.certificate(certificate('01'))]))
    expect(await state('Certificate', { serial: '01' })).toBe('intent')
    await other.commit(commitOf([set('Certificate', { serial: '01', state: 'intent' }, { state: 'issued' })]))
    expect(await state('Certificate', { serial: '01' })).toBe('issued')
  })

  it('a cutoff is seen by the next read of whoever was told that there is none', async () => {
    const where = { key: { in: ['agent:a', 'instance:i'] }, before: { gt: T0 } }
    for (const [index, writer] of [store, other].entries()) {
      const key = index === 0 ? 'agent:a' : 'instance:i'
      expect((await store.list('Cutoff', { where, limit: 9 })).length).toBe(index)
      const row = cutoff(key, { before: instant(T0 + 1) })
      await writer.commit(commitOf([{ op: 'replace', table: 'Cutoff', row }], { lock: 'revoke' }))
      expect((await store.list('Cutoff', { where, limit: 9 })).length).toBe(index + 1)
      expect(await store.find('Cutoff', where)).not.toBeNull()
    }
  })

  it('a change that was refused leaves everything as it was read', async () => {
    await store.commit(commitOf([insert.agent(agent('agt_1'))]))
    expect(await state('Agent', { id: 'agt_1' })).toBe('active')
    const changes = [
      set('Agent', { id: 'agt_1' }, { state: 'retired' }),
      set('Certificate', { serial: 'none' }, { state: 'revoked' }),
    ]
    expect(await outcomes([store.commit(commitOf(changes))])).toEqual(['CHANGE_SAYS_NO'])
    expect(await state('Agent', { id: 'agt_1' })).toBe('active')
  })

  it('reads that belong together are no older than the first of them', async () => {
    await store.commit(
      commitOf([insert.agent(agent('agt_1')), insert.certificate(certificate('01', { state: 'issued' }))]),
    )
    for (const writer of [store, other]) {
      expect(await state('Certificate', { serial: '01' })).toBe('issued')
      expect(await state('Agent', { id: 'agt_1' })).toBe('active')
      const reader = readTogether(store)
      // Made between the words and the first read: whoever did it was told so before anybody read.
      await writer.commit(commitOf([set('Agent', { id: 'agt_1' }, { state: 'suspended' })], { lock: 'revoke' }))
      expect((await reader.find('Certificate', { serial: '01' }))?.state).toBe('issued')
      expect((await reader.find('Agent', { id: 'agt_1' }))?.state).toBe('suspended')
      const where = { key: { in: ['agent:agt_1'] } }
      expect(await reader.list('Cutoff', { where, limit: 9 })).toEqual([])
      await writer.commit(commitOf([set('Agent', { id: 'agt_1' }, { state: 'active' })]))
      expect((await readTogether(store).find('Agent', { id: 'agt_1' }))?.state).toBe('active')
    }
  })

  it('reads that run while others write never go back in time', async () => {
    await store.commit(commitOf([insert.agent(agent('agt_1', { version: 1 }))]))
    const versionOf = async (): Promise<number> => (await store.find('Agent', { id: 'agt_1' }))?.version ?? 0
    for (let version = 2; version < 30; version++) {
      const writer = version % 3 === 0 ? other : store
      const reads = [versionOf(), versionOf()]
      const written = writer.commit(commitOf([set('Agent', { id: 'agt_1' }, { version })]))
      reads.push(versionOf(), versionOf())
      await written
      expect(await versionOf()).toBe(version)
      for (const seen of await Promise.all(reads)) expect([version - 1, version]).toContain(seen)
    }
  })
}
