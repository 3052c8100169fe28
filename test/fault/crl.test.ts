import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CUTOFF_MARK } from '#flows/crl/expand-cutoffs.ts'
import { DAY, HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { CrlHouse, CrlReplica, serialsOf } from '../support/crl-house.ts'

let house: CrlHouse
let serial: string
beforeEach(async () => {
  house = await CrlHouse.open(2)
  await house.replica.round()
  const row = house.certificateOf(await house.enroll())
  serial = row.serial
  house.world.clock.advance(MINUTE)
  await house.revoke('instance', row.instance ?? '')
})
afterEach(() => {
  house.world.store.fail = null
  house.world.store.failReads = false
  house.world.keys.fail = null
})

const complete = async (replica: CrlReplica) => serialsOf(await replica.crl(house.authority, 'complete'))

describe('a replica that publishes CRLs', () => {
  it('promise 6 is killed after any commit, and the next one goes on from there', async () => {
    const { store } = house.world
    const before = store.commits
    for (let commit = 1; commit <= 6; commit++) {
      for (const when of ['before', 'after'] as const) {
        const row = house.certificateOf(await house.enroll())
        house.world.clock.advance(MINUTE)
        await house.revoke('instance', row.instance ?? '')
        // 1. It dies at this commit: what it had in memory is gone.
        store.fail = { when, commit: store.commits + commit }
        const dying = new CrlReplica(house.world.ports)
        await dying.round().catch(() => undefined)
        store.fail = null
        // 2. Another one finds what there is.
        house.world.clock.advance(MINUTE)
        const next = new CrlReplica(house.world.ports)
        await house.settle(next)
        const { shards, complete: all } = await next.lists(house.authority, 2)
        expect(all).toContain(row.serial)
        expect(shards[row.crlShard]).toContain(row.serial)
        expect(shards.flat().toSorted()).toEqual(all.toSorted())
      }
    }
    expect(store.commits).toBeGreaterThan(before)
  })

  it('is killed between the lines and the CRL that lists them', async () => {
    await new CrlReplica(house.world.ports).expansion.run()
    expect(house.world.store.all('CrlEntry').map((entry) => entry.serial)).toEqual([serial])
    const next = new CrlReplica(house.world.ports)
    // Nothing is left to spell out, and yet something is to be published.
    await next.publisher.run()
    expect(await complete(next)).toEqual([serial])
  })

  it('spells out a second time what is there already, and changes nothing', async () => {
    await house.settle()
    const { store } = house.world
    const [mark] = store.all('Mark')
    expect(mark?.name).toBe(CUTOFF_MARK)
    const entries = store.all('CrlEntry')
    store.seed('Mark', { name: 'other', at: 0 })
    const again = new CrlReplica(house.world.ports)
    expect(await again.expansion.run()).toBe(1)
    expect(store.all('CrlEntry')).toEqual(entries)
    expect(await again.publisher.run()).toBe(0)
  })

  it('hands out the last CRLs while its key cannot be reached, says so, and goes on when it can', async () => {
    const { keys, clock } = house.world
    const number = (await house.replica.crl(house.authority, 'complete')).number
    const [active] = house.world.store.all('Authority').filter(({ id }) => id === house.authority)
    const pair = keys.pair(active?.keyReference ?? '')
    keys.remove(active?.keyReference ?? '')
    await house.settle()
    expect((await house.replica.crl(house.authority, 'complete')).number).toBe(number)
    expect(house.replica.failures.map(({ overdue }) => overdue)).not.toContain(true)
    // It is not asked for at every turn.
    expect(house.replica.failures.length).toBeLessThanOrEqual(2)
    clock.advance(13 * HOUR)
    await house.settle()
    expect(house.replica.failures.at(-1)?.overdue).toBe(true)
    keys.put(active?.keyReference ?? '', pair)
    clock.advance(5 * SECOND)
    await house.settle()
    expect(await complete(house.replica)).toEqual([serial])
  })

  it.each(['before', 'after'] as const)('publishes nothing that was not signed: the signer fails %s', async (when) => {
    const { keys } = house.world
    keys.fail = { when, signature: keys.signatures + 1 }
    await house.replica.round()
    expect(house.replica.failures).toHaveLength(1)
    await house.settle()
    house.world.clock.advance(5 * SECOND)
    await house.settle()
    expect(await complete(house.replica)).toEqual([serial])
  })

  it('lets no wrong signature out', async () => {
    const { keys } = house.world
    keys.lie = (signature) => signature.map((octet, index) => (index === signature.length - 1 ? octet ^ 1 : octet))
    await house.replica.round()
    expect(house.replica.failures.map(({ error }) => (error as { code: string }).code)).toEqual(['SIGNATURE_INVALID'])
    expect(await complete(house.replica)).toEqual([])
  })

  it('hands out what it has while the store is away, for as long as it takes', async () => {
    await house.settle()
    house.world.store.failReads = true
    house.world.clock.advance(2 * DAY)
    expect(await complete(house.replica)).toEqual([serial])
    // Who never had one has none to hand out.
    const fresh = new CrlReplica(house.world.ports)
    expect(await codeOfAsync(() => fresh.crl(house.authority, 'complete'))).toBe('STORE_UNAVAILABLE')
    house.world.store.failReads = false
  })
})

describe('two replicas that both believe it is their turn', () => {
  it('R4 R13 publish no number twice, and lose no line', async () => {
    const rivals = [new CrlReplica(house.world.ports), new CrlReplica(house.world.ports)]
    const numbers = new Map<string, string>()
    for (let round = 0; round < 10; round++) {
      const row = house.certificateOf(await house.enroll())
      await house.revoke('instance', row.instance ?? '')
      house.world.clock.advance(3 * SECOND)
      await Promise.allSettled(rivals.map((rival) => rival.round()))
      for (const scope of ['0', '1', 'complete']) {
        const stored = await house.world.store.find('Crl', { id: `${house.authority}/${scope}` })
        if (stored === null) continue
        const der = Buffer.from(stored.der).toString('hex')
        const key = `${scope} ${String(stored.number)}`
        expect(numbers.get(key) ?? der).toBe(der)
        numbers.set(key, der)
      }
    }
    await house.settle(rivals[0])
    const revoked = house.world.store.all('Cutoff').filter(({ kind }) => kind === 'instance').length
    expect((await complete(rivals[0] ?? house.replica)).length).toBe(revoked)
    const published = house.world.store.leaves.filter(({ draft }) => draft.type === 'crl.published')
    const decided = published.filter(({ bytes }) => Buffer.from(bytes).toString().includes('"decision":"permit"'))
    const named = decided.map(({ draft }) => `${draft.object} ${draft.commitments['scope'] ?? ''}`)
    expect(new Set(named).size).toBe(named.length)
  })
})
