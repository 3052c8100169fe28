import { afterEach, beforeEach, expect, it } from 'vitest'
import { leafHash } from '#audit/index.ts'
import type { Change, Guard } from '#flows/ports.ts'
import { fromUtf8 } from '#kernel/bytes.ts'
import { instant } from '#kernel/instant.ts'
import {
  agent,
  authority,
  certificate,
  changeSaysNo,
  commitOf,
  cutoff,
  guardSaysNo,
  insert,
  joinToken,
  leaf,
  outcomes,
  replay,
  secondSaysNo,
  T0,
} from './samples.ts'
import type { Database, Kind, Subject } from './subjects.ts'

/** What one commit does. */
export function commits(kind: Kind): void {
  let database: Database
  let store: Subject
  beforeEach(async () => {
    database = await kind.make()
    store = await database.open()
  })
  afterEach(() => database.dispose())

  const decisions = async () => {
    const leaves = await store.list('LogLeaf', { orderBy: 'seq', limit: 1000 })
    return leaves.map(({ bytes }) => (JSON.parse(fromUtf8(bytes)) as { decision: string }).decision)
  }

  it('gives back every record as it was stored', async () => {
    const issued = certificate('01', { der: Uint8Array.of(1, 2, 0), idempotencyKey: 'k' })
    await store.commit(
      commitOf([insert.agent(agent('agt_1')), insert.authority(authority('aut_1')), insert.certificate(issued)]),
    )
    expect(await store.find('Agent', { id: 'agt_1' })).toEqual(agent('agt_1'))
    expect(await store.find('Authority', { id: 'aut_1' })).toEqual(authority('aut_1'))
    expect(await store.find('Certificate', { serial: '01' })).toEqual(issued)
    expect(await store.find('Certificate', { serial: '02' })).toBeNull()
  })

  const counted = (below: number, counter = 'c'): Change => ({ op: 'count', counter, below, refuse: changeSaysNo })

  it('counts up to a limit, and only what is committed', async () => {
    const first = await outcomes(Array.from({ length: 5 }, () => store.commit(commitOf([counted(3)]))))
    expect([...first].sort()).toEqual(['CHANGE_SAYS_NO', 'CHANGE_SAYS_NO', 'permit', 'permit', 'permit'])
    expect(await store.reserve('c', 1)).toBe(3)
    expect(await outcomes([store.commit(commitOf([counted(0, 'never')]))])).toEqual(['CHANGE_SAYS_NO'])
    expect(await store.reserve('never', 1)).toBe(0)
    const taken: Change = { op: 'insert', table: 'Replay', row: replay('r'), refuse: secondSaysNo }
    await store.commit(commitOf([taken]))
    expect(await outcomes([store.commit(commitOf([counted(9, 'd'), taken]))])).toEqual(['SECOND_SAYS_NO'])
    expect(await store.reserve('d', 1)).toBe(0)
  })

  it('answers with the leaf, whose hash covers its bytes', async () => {
    const committed = await store.commit(commitOf([], { leaf: leaf('test:7') }))
    expect(committed).toMatchObject({ seq: 0, at: T0 })
    const stored = await store.find('LogLeaf', { hash: committed.hash })
    expect(stored).toMatchObject({ ...committed, object: 'test:7', type: 'test.done', actor: 'system', position: null })
    expect(leafHash(stored!.bytes)).toBe(committed.hash)
  })

  it('keeps private values beside the leaf', async () => {
    const { hash } = await store.commit(
      commitOf([], { leaf: leaf('test:1', { private: { name: 'Ada', mail: 'a@b' } }) }),
    )
    const kept = await store.list('LogPrivate', { where: { leaf: hash }, orderBy: 'name', limit: 10 })
    expect(kept.map(({ name, bytes }) => [name, fromUtf8(bytes)])).toEqual([
      ['mail', 'a@b'],
      ['name', 'Ada'],
    ])
  })

  it('publishes its events, without a position', async () => {
    const events = [
      { type: 'one', data: { id: 'a' } },
      { type: 'two', data: { ids: ['b', 'c'] } },
    ]
    await store.commit(commitOf([], { events }))
    const published = await store.list('Outbox', { limit: 10 })
    expect(published.map(({ type, data, position }) => ({ type, data, position }))).toEqual(
      expect.arrayContaining(events.map((event) => ({ ...event, position: null }))),
    )
    expect(published).toHaveLength(2)
  })

  it.each<[string, Guard['must'], string, string]>([
    ['passes when what must exist exists', 'exist', 'agt_1', 'permit'],
    ['refuses when what must exist does not', 'exist', 'agt_2', 'GUARD_SAYS_NO'],
    ['passes when what must not exist does not', 'not-exist', 'agt_2', 'permit'],
    ['refuses when what must not exist does', 'not-exist', 'agt_1', 'GUARD_SAYS_NO'],
  ])('a guard %s', async (_, must, id, expected) => {
    await store.commit(commitOf([insert.agent(agent('agt_1'))]))
    const guard: Guard = { table: 'Agent', must, where: { id, state: 'active' }, refuse: guardSaysNo }
    const change = insert.certificate(certificate('01'))
    const event = { type: 'issued', data: {} }
    expect(await outcomes([store.commit(commitOf([change], { guards: [guard], events: [event] }))])).toEqual([expected])
    const kept = expected === 'permit' ? 1 : 0
    expect(await store.list('Certificate', { limit: 10 })).toHaveLength(kept)
    expect(await store.list('Outbox', { limit: 10 })).toHaveLength(kept)
    expect(await decisions()).toEqual(['permit', expected === 'permit' ? 'permit' : 'deny:GUARD_SAYS_NO'])
  })

  it('refuses with the first guard that fails', async () => {
    const missing = (refuse: Guard['refuse']): Guard => ({ table: 'Agent', must: 'exist', where: { id: 'x' }, refuse })
    const present: Guard = { table: 'Agent', must: 'not-exist', where: { id: 'x' }, refuse: changeSaysNo }
    const guards = [present, missing(secondSaysNo), missing(guardSaysNo)]
    expect(await outcomes([store.commit(commitOf([], { guards }))])).toEqual(['SECOND_SAYS_NO'])
  })

  it('refuses an insert whose primary key or other unique key is taken', async () => {
    await store.commit(commitOf([insert.joinToken(joinToken('a'))]))
    const attempts = [joinToken('a', { hash: 'other' }), joinToken('b', { hash: 'hash-a' }), joinToken('b')]
    const settled = attempts.map((row) => store.commit(commitOf([insert.joinToken(row)])))
    expect(await outcomes(settled)).toEqual(['CHANGE_SAYS_NO', 'CHANGE_SAYS_NO', 'permit'])
    expect(await store.find('JoinToken', { id: 'a' })).toEqual(joinToken('a'))
  })

  it('lets several rows have no idempotency key, and no two the same', async () => {
    const rows = [certificate('01'), certificate('02'), certificate('03', { idempotencyKey: 'k' })]
    await store.commit(commitOf(rows.map(insert.certificate)))
    const again = store.commit(commitOf([insert.certificate(certificate('04', { idempotencyKey: 'k' }))]))
    expect(await outcomes([again])).toEqual(['CHANGE_SAYS_NO'])
  })

  it('replaces the row with the same primary key, or inserts it', async () => {
    const put = (reason: string) =>
      store.commit(commitOf([{ op: 'replace', table: 'Cutoff', row: cutoff('c', { reason }) }]))
    await put('first')
    await put('second')
    expect(await store.list('Cutoff', { limit: 10 })).toEqual([cutoff('c', { reason: 'second' })])
  })

  it('will not replace a row by one whose other unique key is taken', async () => {
    await store.commit(commitOf([insert.joinToken(joinToken('a')), insert.joinToken(joinToken('b'))]))
    const row = joinToken('b', { hash: 'hash-a' })
    const attempt = store.commit(commitOf([{ op: 'replace', table: 'JoinToken', row }]))
    expect(await outcomes([attempt])).toEqual(['STORE_CONFLICT'])
    expect(await store.find('JoinToken', { id: 'b' })).toEqual(joinToken('b'))
  })

  it('updates every row that matches, and refuses when none does', async () => {
    await store.commit(commitOf(['01', '02', '03'].map((serial) => insert.certificate(certificate(serial)))))
    const set = { state: 'revoked' as const, revokedAt: T0, der: Uint8Array.of(9), reason: null }
    const update = (serials: readonly string[]) =>
      store.commit(
        commitOf([
          { op: 'update', table: 'Certificate', where: { serial: { in: serials } }, set, refuse: changeSaysNo },
        ]),
      )
    expect(await outcomes([update(['01', '03', '99'])])).toEqual(['permit'])
    expect(await outcomes([update(['99'])])).toEqual(['CHANGE_SAYS_NO'])
    expect(await outcomes([update([])])).toEqual(['CHANGE_SAYS_NO'])
    const rows = await store.list('Certificate', { limit: 10 })
    expect(rows).toEqual([certificate('01', set), certificate('02'), certificate('03', set)])
  })

  it('updates lists', async () => {
    await store.commit(commitOf([insert.agent(agent('agt_1'))]))
    const set = { selectors: ['a:b'], permissions: [], version: 2 }
    const where = { id: 'agt_1', version: 1 }
    const commit = commitOf([{ op: 'update', table: 'Agent', where, set, refuse: changeSaysNo }])
    expect(await outcomes([store.commit(commit), store.commit(commit)])).toEqual(['permit', 'CHANGE_SAYS_NO'])
    expect(await store.find('Agent', { id: 'agt_1' })).toEqual(agent('agt_1', set))
  })

  it('will not update a row to a unique value that is taken', async () => {
    await store.commit(commitOf([insert.agent(agent('agt_1')), insert.agent(agent('agt_2'))]))
    const set = { name: 'name-agt_2' }
    const rename = commitOf([{ op: 'update', table: 'Agent', where: { id: 'agt_1' }, set, refuse: changeSaysNo }])
    expect(await outcomes([store.commit(rename)])).toEqual(['STORE_CONFLICT'])
    expect(await store.find('Agent', { id: 'agt_1' })).toEqual(agent('agt_1'))
  })

  it('deletes every row that matches, and refuses when none does', async () => {
    await store.commit(commitOf([insert.replay(replay('a')), insert.replay(replay('b', T0 + 1))]))
    const remove = commitOf([
      { op: 'delete', table: 'Replay', where: { expiresAt: { lte: T0 } }, refuse: changeSaysNo },
    ])
    expect(await outcomes([store.commit(remove), store.commit(remove)])).toEqual(['permit', 'CHANGE_SAYS_NO'])
    expect(await store.list('Replay', { limit: 10 })).toEqual([replay('b', T0 + 1)])
  })

  it('undoes the earlier changes of a commit whose later one is refused', async () => {
    await store.commit(commitOf([insert.joinToken(joinToken('a'))]))
    const taken = { ...insert.joinToken(joinToken('a')), refuse: secondSaysNo } as const
    const commit = commitOf([insert.certificate(certificate('01')), taken], { events: [{ type: 'x', data: {} }] })
    expect(await outcomes([store.commit(commit)])).toEqual(['SECOND_SAYS_NO'])
    expect(await store.find('Certificate', { serial: '01' })).toBeNull()
    expect(await store.list('Outbox', { limit: 10 })).toEqual([])
    expect(await decisions()).toEqual(['permit', 'deny:SECOND_SAYS_NO'])
  })

  it('keeps a replay entry once, and lets it in again after it was purged', async () => {
    const see = (key: string) => store.commit(commitOf([insert.replay(replay(key))], { lock: 'none' }))
    expect(await outcomes([see('jti:1'), see('jti:1')])).toEqual(['permit', 'CHANGE_SAYS_NO'])
    expect(await store.purge(T0)).toBe(0)
    expect(await outcomes([see('jti:1')])).toEqual(['CHANGE_SAYS_NO'])
    expect(await store.purge(instant(T0 + 1))).toBe(1)
    expect(await outcomes([see('jti:1')])).toEqual(['permit'])
  })

  it('purges any number of rows', async () => {
    const rows = Array.from({ length: 2_300 }, (_, index) => insert.replay(replay(`r${String(index)}`)))
    await store.commit(commitOf(rows))
    expect(await store.purge(instant(T0 + 1))).toBe(2_300)
  })

  it.each<[string, unknown]>([
    ['a column that there is not', { id: 'a', nonsense: 1 }],
    ['a value of the wrong type', { ...joinToken('a'), createdAt: 'today' }],
    ['null where there must be a value', { ...joinToken('a'), hash: null }],
    ['a missing column', { id: 'a' }],
    ['NUL in a text', joinToken('a\0b')],
    ['half a character', joinToken('a\ud800b')],
    ['a number that is not whole', { ...joinToken('a'), createdAt: 1.5 }],
  ])('refuses a row with %s, and writes nothing', async (_, row) => {
    const commit = commitOf([insert.joinToken(row as ReturnType<typeof joinToken>)])
    expect(await outcomes([store.commit(commit)])).toEqual(['STORE_QUERY_INVALID'])
    expect(await decisions()).toEqual([])
  })

  it('writes nothing at all when the leaf cannot be written', async () => {
    const commit = commitOf([insert.certificate(certificate('01'))], { leaf: leaf('x', { type: 'Not a type' }) })
    expect(await outcomes([store.commit(commit)])).toEqual(['AUDIT_LEAF_INVALID'])
    expect(await store.find('Certificate', { serial: '01' })).toBeNull()
    expect(await decisions()).toEqual([])
  })
}
