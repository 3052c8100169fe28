import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Change, Commit, Committed, Guard } from '#flows/ports.ts'
import { fromUtf8 } from '#kernel/bytes.ts'
import {
  agent,
  certificate,
  changeSaysNo,
  commitOf,
  cutoff,
  guardSaysNo,
  insert,
  joinToken,
  leaf,
  outcomes,
  redeem,
  replay,
  secondSaysNo,
  T0,
} from './samples.ts'
import type { Database, Kind, Subject } from './subjects.ts'

const times = <Made>(count: number, make: (index: number) => Made): readonly Made[] =>
  Array.from({ length: count }, (_, index) => make(index))

const tally = (results: readonly string[]) =>
  Object.fromEntries([...new Set(results)].sort().map((one) => [one, results.filter((other) => other === one).length]))

/** An issuance for an instance: not if it is cut off; state checked again; intent stored. */
export function issue(serial: string, instance: string): Commit {
  const guards: readonly Guard[] = [
    { table: 'Cutoff', must: 'not-exist', where: { key: `instance:${instance}` }, refuse: guardSaysNo },
  ]
  return commitOf([insert.certificate(certificate(serial, { instance }))], {
    guards,
    leaf: leaf(`certificate:${serial}`),
  })
}

/** A revocation of an instance: the cutoff, and all of its certificates that there are. */
export function revoke(instance: string): Commit {
  const row = cutoff(`instance:${instance}`)
  return commitOf([{ op: 'replace', table: 'Cutoff', row }], { lock: 'revoke', leaf: leaf(`instance:${instance}`) })
}

/** What commits mean together. */
export function concurrency(kind: Kind): void {
  let database: Database
  let store: Subject
  let stores: readonly Subject[]
  beforeEach(async () => {
    database = await kind.make()
    store = await database.open('one')
    stores = kind.replicas ? [store, await database.open('two')] : [store]
  })
  afterEach(() => database.dispose())

  const pick = (index: number): Subject => stores[index % stores.length] ?? store

  it('P-3 of 100 redemptions of one join token exactly one wins', async () => {
    await store.commit(commitOf([insert.joinToken(joinToken('a')), insert.joinToken(joinToken('b'))]))
    const attempts = times(100, (index) => pick(index).commit(redeem('hash-a', `i-${String(index)}`)))
    const others = times(3, (index) => pick(index).commit(redeem('hash-b', `j-${String(index)}`)))
    const [first, second] = await Promise.all([outcomes(attempts), outcomes(others)])
    expect(tally(first)).toEqual({ CHANGE_SAYS_NO: 99, permit: 1 })
    expect(tally(second)).toEqual({ CHANGE_SAYS_NO: 2, permit: 1 })
    const leaves = await store.list('LogLeaf', { limit: 1000 })
    const permitted = leaves.filter(({ bytes }) => fromUtf8(bytes).includes('"decision":"permit"'))
    const winner = (await store.find('JoinToken', { id: 'a' }))?.instance
    expect(permitted.map(({ object }) => object)).toContain(`instance:${String(winner)}`)
    expect(permitted).toHaveLength(3)
    expect(leaves).toHaveLength(104)
  })

  it('P-3 of 50 insertions of one unique value exactly one wins, whatever their primary keys', async () => {
    const attempts = times(50, (index) =>
      pick(index).commit(commitOf([insert.joinToken(joinToken(`t${String(index)}`, { hash: 'same' }))])),
    )
    expect(tally(await outcomes(attempts))).toEqual({ CHANGE_SAYS_NO: 49, permit: 1 })
  })

  it('P-3 of 50 uses of one replay key exactly one wins, and all others of the batch are untouched', async () => {
    const same = times(50, (index) => pick(index).commit(commitOf([insert.replay(replay('jti:same'))])))
    const others = times(50, (index) => pick(index).commit(commitOf([insert.replay(replay(`jti:${String(index)}`))])))
    const [first, second] = await Promise.all([outcomes(same), outcomes(others)])
    expect(tally(first)).toEqual({ CHANGE_SAYS_NO: 49, permit: 1 })
    expect(tally(second)).toEqual({ permit: 50 })
  })

  it('compare-and-swap by version lets exactly one through each time', async () => {
    await store.commit(commitOf([insert.agent(agent('agt_1', { version: 0 }))]))
    for (let version = 0; version < 5; version++) {
      const change: Change = {
        op: 'update',
        table: 'Agent',
        where: { id: 'agt_1', version },
        set: { version: version + 1 },
        refuse: changeSaysNo,
      }
      const attempts = times(10, (index) => pick(index).commit(commitOf([change])))
      expect(tally(await outcomes(attempts))).toEqual({ CHANGE_SAYS_NO: 9, permit: 1 })
    }
    expect((await store.find('Agent', { id: 'agt_1' }))?.version).toBe(5)
  })

  it('a guard sees what a neighbour in the same batch has changed', async () => {
    const once = (index: number): Commit => {
      const guard: Guard = {
        table: 'Certificate',
        must: 'not-exist',
        where: { lineage: 'lin_1', state: 'intent' },
        refuse: guardSaysNo,
      }
      return commitOf([insert.certificate(certificate(`s${String(index)}`))], { guards: [guard] })
    }
    // One replica: across replicas such a condition belongs into a unique key or under the revoke lock.
    const attempts = times(20, (index) => store.commit(once(index)))
    expect(tally(await outcomes(attempts))).toEqual({ GUARD_SAYS_NO: 19, permit: 1 })
  })

  it('an update finds the row that a neighbour of the same batch has inserted, or refuses', async () => {
    const inserted = store.commit(commitOf([insert.joinToken(joinToken('a'))]))
    const redeemed = store.commit(redeem('hash-a', 'i-1'))
    const [first, second] = await outcomes([inserted, redeemed])
    expect(first).toBe('permit')
    const row = await store.find('JoinToken', { id: 'a' })
    expect(row?.instance).toBe(second === 'permit' ? 'i-1' : null)
  })

  it('P-3 no issuance commits after an acknowledged revocation, and none is lost before it', async () => {
    for (let round = 0; round < 10; round++) {
      const instance = `i-${String(round)}`
      let acknowledged = false
      const late: string[] = []
      const attempts = times(30, async (index) => {
        await new Promise((resolve) => setTimeout(resolve, index % 7))
        const begunAfter = acknowledged
        const serial = `${instance}-${String(index)}`
        await pick(index).commit(issue(serial, instance))
        if (begunAfter) late.push(serial)
      })
      const revoked = (async () => {
        await new Promise((resolve) => setTimeout(resolve, 3))
        await pick(1).commit(revoke(instance))
        acknowledged = true
        return (await store.list('Certificate', { where: { instance }, limit: 1000 })).length
      })()
      const [results, seen] = await Promise.all([outcomes(attempts), revoked])
      expect(late).toEqual([])
      const stored = await store.list('Certificate', { where: { instance }, limit: 1000 })
      // What was there when the revocation was acknowledged is all that there will ever be.
      expect(stored).toHaveLength(seen)
      expect(stored).toHaveLength(tally(results)['permit'] ?? 0)
    }
  })

  it('a commit that cannot work fails alone', async () => {
    await store.commit(commitOf([insert.joinToken(joinToken('taken')), insert.agent(agent('agt_1'))]))
    const good = (index: number) => commitOf([insert.certificate(certificate(`s${String(index)}`))])
    const losesLate = (index: number) => {
      const taken = { ...insert.joinToken(joinToken('taken')), refuse: secondSaysNo } as const
      return commitOf([insert.certificate(certificate(`l${String(index)}`)), taken])
    }
    const conflict = () => {
      const row = joinToken('other', { hash: 'hash-taken' })
      return commitOf([{ op: 'replace', table: 'JoinToken', row }])
    }
    const badLeaf = () => commitOf([insert.certificate(certificate('b'))], { leaf: leaf('x', { type: 'no' }) })
    const badRefusal = () => {
      const where = { id: 'nobody' }
      const refuse = () => 'no' as unknown as ReturnType<typeof guardSaysNo>
      return commitOf([], { guards: [{ table: 'Agent', must: 'exist', where, refuse }] })
    }
    const batch = times(10, good).flatMap((commit, index) => {
      const wrong = [losesLate(index), conflict(), badLeaf(), badRefusal(), null][index % 5] ?? null
      return wrong === null ? [commit] : [commit, wrong]
    })
    expect(tally(await outcomes(batch.map((commit) => store.commit(commit))))).toEqual({
      AUDIT_LEAF_INVALID: 2,
      SECOND_SAYS_NO: 2,
      STORE_CONFLICT: 2,
      STORE_REFUSAL_INVALID: 2,
      permit: 10,
    })
    expect(await store.list('Certificate', { limit: 100 })).toHaveLength(10)
  })

  it('numbers the leaves of a replica without gaps, whatever is refused or fails', async () => {
    await store.commit(commitOf([insert.joinToken(joinToken('a'))]))
    const mixed = times(40, (index) => [
      redeem('hash-a', `i-${String(index)}`),
      commitOf([insert.certificate(certificate(`s${String(index)}`))], {
        leaf: leaf('x', index % 5 ? {} : { type: 'no' }),
      }),
      commitOf([{ op: 'replace', table: 'JoinToken', row: joinToken('z', { hash: 'hash-a' }) }]),
    ]).flat()
    await outcomes(mixed.map((commit, index) => pick(index).commit(commit)))
    const leaves = await store.list('LogLeaf', { limit: 1000 })
    for (const replica of new Set(leaves.map((one) => one.replica))) {
      const numbers = leaves.filter((one) => one.replica === replica).map(({ seq }) => seq)
      expect(numbers.sort((left, right) => left - right)).toEqual(times(numbers.length, (index) => index))
    }
    expect(new Set(leaves.map((one) => one.replica)).size).toBe(stores.length)
  })

  it('answers each caller with the leaf of its own commit', async () => {
    const attempts = times(60, async (index): Promise<[string, Committed]> => {
      const object = `test:${String(index)}`
      return [object, await pick(index).commit(commitOf([], { leaf: leaf(object) }))]
    })
    for (const [object, committed] of await Promise.all(attempts)) {
      expect(await store.find('LogLeaf', { hash: committed.hash })).toMatchObject({ ...committed, object })
    }
  })

  it('two guards that depend on what the other commit changes cannot both pass', async () => {
    for (let round = 0; round < 10; round++) {
      const [left, right] = [`l${String(round)}`, `r${String(round)}`]
      const unless = (key: string): Guard => ({
        table: 'Cutoff',
        must: 'not-exist',
        where: { key },
        refuse: guardSaysNo,
      })
      const put = (key: string): Change => insert.cutoff(cutoff(key, { createdAt: T0 }))
      const results = await outcomes([
        store.commit(commitOf([put(left)], { guards: [unless(right)] })),
        store.commit(commitOf([put(right)], { guards: [unless(left)] })),
      ])
      expect(tally(results)).toEqual({ GUARD_SAYS_NO: 1, permit: 1 })
    }
  })
}
