import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DAY, HOUR, instant, MINUTE, SECOND } from '#kernel/instant.ts'
import {
  cacheableFor,
  crlTimes,
  isCrlDue,
  isSpent,
  nextCrlNumber,
  type CrlRecord,
  type RevocationHandle,
} from '#revocation/index.ts'
import { CrlHouse, CrlReplica } from '../support/crl-house.ts'

const SHARDS = 3

const act = fc.oneof(
  { weight: 3, arbitrary: fc.record({ what: fc.constant('enroll' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('revoke' as const),
      which: fc.nat(20),
      handle: fc.constantFrom<RevocationHandle>('instance', 'certificate', 'lineage', 'key'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('pass' as const), seconds: fc.integer({ min: 1, max: 3600 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('set-back' as const), seconds: fc.integer({ min: 1, max: 600 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('revoke-behind' as const),
      seconds: fc.integer({ min: 1, max: 7200 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('round' as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('change-hands' as const) }) },
)

type Act = typeof act extends fc.Arbitrary<infer One> ? One : never

async function play(house: CrlHouse, acts: readonly Act[]): Promise<CrlReplica> {
  const { clock, store } = house.world
  let replica = house.replica
  for (const one of acts) {
    if (one.what === 'enroll') {
      // A clock that is known to be wrong issues nothing.
      await house.enroll().catch(() => undefined)
      clock.advance(MINUTE)
    } else if (one.what === 'revoke') {
      const leaves = store.all('Certificate').filter(({ kind }) => kind === 'svid')
      const leaf = leaves[one.which % Math.max(1, leaves.length)]
      if (leaf === undefined) continue
      const values = { instance: leaf.instance, certificate: leaf.serial, lineage: leaf.lineage, key: leaf.spkiHash }
      await house.revoke(one.handle, values[one.handle as keyof typeof values] ?? '')
    } else if (one.what === 'revoke-behind') {
      // Another replica, whose clock is wrong: revoking is allowed to it.
      const leaf = house.world.store.all('Certificate').findLast(({ kind }) => kind === 'svid')
      const right = clock.now()
      clock.set(instant(right - one.seconds * SECOND))
      if (leaf !== undefined) await house.revoke('instance', leaf.instance ?? '')
      clock.set(right)
      await house.sequence()
    } else if (one.what === 'pass') clock.advance(one.seconds * SECOND)
    else if (one.what === 'set-back') clock.set(instant(clock.now() - one.seconds * SECOND))
    else if (one.what === 'round') await replica.round()
    else replica = new CrlReplica(house.world.ports)
  }
  clock.advance(DAY / 24)
  await house.settle(replica)
  return replica
}

describe('whatever is revoked, by whom and when', () => {
  it('R7 every revoked certificate that has not ended is on exactly its shard, and the shards together are the CRL of everything', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 14 }), async (acts) => {
        const house = await CrlHouse.open(SHARDS)
        const replica = await play(house, acts)
        const { shards, complete } = await replica.lists(house.authority, SHARDS)
        expect(shards.flat().toSorted()).toEqual(complete.toSorted())
        const { store, clock } = house.world
        const cutoffs = store.all('Cutoff')
        for (const leaf of store.all('Certificate').filter(({ kind }) => kind === 'svid')) {
          const keys = [`instance:${leaf.instance ?? ''}`, `lineage:${leaf.lineage ?? ''}`, `spki:${leaf.spkiHash}`]
          const isDead = cutoffs.some(({ key, before }) => keys.includes(key) && leaf.issuedAt < before)
          const places = shards.flatMap((serials, shard) => (serials.includes(leaf.serial) ? [shard] : []))
          if (leaf.notAfter <= clock.now()) continue
          expect(places).toEqual(isDead ? [leaf.crlShard] : [])
        }
      }),
      { numRuns: 25 },
    )
  }, 120_000)
})

const moment = fc.integer({ min: 1_700_000_000_000, max: 1_900_000_000_000 }).map(instant)

describe('the rules of publication', () => {
  it('R4 R13 make numbers strictly rising, whatever the clock does', () => {
    fc.assert(
      fc.property(fc.array(moment, { minLength: 2 }), (times) => {
        let previous: { readonly number: number } | null = null
        for (const now of times) {
          const number = nextCrlNumber(previous, now)
          if (previous !== null && number <= previous.number) return false
          previous = { number }
        }
        return true
      }),
    )
  })

  it('R2 R13 always end later than they begin, never after their issuer by more than a second, and are cached for less than that', () => {
    fc.assert(
      fc.property(moment, moment, fc.integer({ min: 2, max: 40 * 24 * 3600 }), (now, asked, seconds) => {
        const end = instant(now + seconds * SECOND)
        const { thisUpdate, nextUpdate } = crlTimes({ now, isRight: true }, { previous: null, end })
        expect(thisUpdate % SECOND).toBe(0)
        expect(nextUpdate % SECOND).toBe(0)
        expect(nextUpdate).toBeGreaterThan(thisUpdate)
        expect(nextUpdate).toBeLessThanOrEqual(end)
        const kept = cacheableFor({ nextUpdate }, asked) * SECOND
        expect(kept === 0 || asked + kept < nextUpdate).toBe(true)
      }),
    )
  })

  it('R13 ask for a new one long before the end, and not again and again when no later end is possible', () => {
    const previous = { number: 1, thisUpdate: instant(0), nextUpdate: instant(DAY) } as CrlRecord
    const end = instant(30 * DAY)
    expect(isCrlDue({ previous: null, end }, instant(0))).toBe(true)
    expect(isCrlDue({ previous, end }, instant(11 * HOUR))).toBe(false)
    expect(isCrlDue({ previous, end }, instant(12 * HOUR))).toBe(true)
    expect(isCrlDue({ previous, end: instant(DAY) }, instant(23 * HOUR))).toBe(false)
  })

  it('R8 keep a line until one that was issued after the end of its certificate has had it', () => {
    fc.assert(
      fc.property(moment, moment, moment, (notAfter, addedAt, thisUpdate) => {
        const spent = isSpent({ notAfter, addedAt }, { number: 1, thisUpdate, nextUpdate: thisUpdate })
        return !spent || (thisUpdate > notAfter && thisUpdate > addedAt)
      }),
    )
    expect(isSpent({ notAfter: instant(0), addedAt: instant(0) }, null)).toBe(false)
  })
})
