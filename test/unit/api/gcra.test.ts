import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RateLimit } from '#api/http/index.ts'
import { prefixOf } from '#api/http/gcra.ts'

describe('a rate limit', () => {
  it('lets the burst through at once and then one per interval', () => {
    const limit = new RateLimit({ rate: 10, burst: 3 })
    expect([0, 0, 0, 0].map(() => limit.take('a', 1_000))).toEqual([0, 0, 0, 100])
    expect(limit.take('a', 1_099)).toBe(1)
    expect(limit.take('a', 1_100)).toBe(0)
    expect(limit.take('a', 1_100)).toBe(100)
  })

  it('counts nothing for who is refused, and nothing for who only asks', () => {
    const limit = new RateLimit({ rate: 1, burst: 1 })
    expect(limit.wait('a', 0)).toBe(0)
    expect(limit.take('a', 0)).toBe(0)
    for (let tries = 0; tries < 100; tries++) limit.take('a', 500)
    expect(limit.take('a', 1_000)).toBe(0)
  })

  it('keeps keys apart', () => {
    const limit = new RateLimit({ rate: 1, burst: 1 })
    expect([limit.take('a', 0), limit.take('b', 0), limit.take('a', 0)]).toEqual([0, 0, 1_000])
  })

  it('never lets more than burst plus rate through in any window', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 10 }), (waits, rate, burst) => {
        const limit = new RateLimit({ rate, burst })
        const passed: number[] = []
        let now = 0
        for (const gap of waits) {
          now += gap
          if (limit.take('a', now) === 0) passed.push(now)
        }
        for (const [index, start] of passed.entries()) {
          const later = passed.slice(index)
          const within = later.filter((time) => time - start <= 1_000).length
          expect(within).toBeLessThanOrEqual(burst + rate)
        }
      }),
    )
  })

  it('always says how long to wait, and means it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 20 }), (rate, burst) => {
        const limit = new RateLimit({ rate, burst })
        for (let index = 0; index < burst; index++) expect(limit.take('a', 0)).toBe(0)
        const wait = limit.take('a', 0)
        expect(wait).toBeGreaterThan(0)
        expect(limit.take('a', Math.ceil(wait))).toBe(0)
      }),
    )
  })

  it('forgets keys in time, so that a flood of them has a bound', () => {
    const limit = new RateLimit({ rate: 1, burst: 1 }, 100)
    for (let index = 0; index < 10_000; index++) limit.take(String(index), index)
    expect(limit.size).toBeLessThanOrEqual(100)
    expect(limit.take('9999', 9_999)).toBeGreaterThan(0)
  })
})

describe('the prefix that an address is counted under', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['local', 'local'],
  ])('of %s is %s', (address, prefix) => {
    expect(prefixOf(address)).toBe(prefix)
  })
})
