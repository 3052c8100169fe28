import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DAY, instant, type Instant } from '#kernel/instant.ts'
import { advanceScope, coveredUntil, inForce, isEnding, successorOf, type StoredCrl } from '#revocation/index.ts'

const START = instant(1_800_000_000_000)
const day = (days: number): Instant => instant(START + days * DAY)

function series(count: number, first = 1, begin = 0): StoredCrl[] {
  return Array.from({ length: count }, (_, index) => ({
    number: first + index,
    thisUpdate: day(begin + index * 30),
    nextUpdate: day(begin + index * 30 + 45),
  }))
}

/** Any CRLs whose numbers differ, in whatever order of times. */
const anyCrls = fc
  .uniqueArray(
    fc.record({
      number: fc.integer({ min: 0, max: 40 }),
      from: fc.integer({ min: -50, max: 400 }),
      days: fc.integer({ min: 1, max: 90 }),
    }),
    { selector: ({ number }) => number, maxLength: 20 },
  )
  .map((all): StoredCrl[] =>
    all.map(({ number, from, days }) => ({ number, thisUpdate: day(from), nextUpdate: day(from + days) })),
  )

describe('of the CRLs that a ceremony made for a year', () => {
  const year = series(13)

  it('each counts from its own time on, and none before', () => {
    expect(inForce(year, day(-1))).toBeNull()
    for (const [index, crl] of year.entries()) {
      expect(inForce(year, day(index * 30))).toBe(crl)
      expect(inForce(year, day(index * 30 + 29))).toBe(crl)
    }
    expect(inForce(year, day(1000))).toBe(year.at(-1))
  })

  it('the last one ends what is covered, and a gap does before', () => {
    expect(coveredUntil(year, day(0))).toBe(day(12 * 30 + 45))
    const withGap = year.filter(({ number }) => number !== 5)
    expect(coveredUntil(withGap, day(0))).toBe(day(3 * 30 + 45))
    expect(coveredUntil(withGap, day(5 * 30))).toBe(day(12 * 30 + 45))
    expect(coveredUntil(year, day(-1))).toBeNull()
    expect(coveredUntil(year, day(12 * 30 + 45))).toBeNull()
  })

  it('two months before that it is time for another ceremony, and stays so when all is over', () => {
    const end = 12 * 30 + 45
    expect(isEnding(year, day(end - 61))).toBe(false)
    expect(isEnding(year, day(end - 60))).toBe(true)
    expect(isEnding(year, day(end + 100))).toBe(true)
    expect(isEnding([], day(0))).toBe(false)
    // Of a short series at half.
    expect(isEnding(series(1), day(22))).toBe(false)
    expect(isEnding(series(1), day(23))).toBe(true)
  })

  it('those of a later ceremony count, although the earlier ones have their time after them', () => {
    const both = [...year, ...series(3, 14, 45)]
    expect(inForce(both, day(44))?.number).toBe(2)
    expect(inForce(both, day(46))?.number).toBe(14)
    // Number 3 is of day 60, and knows nothing of what number 14 lists.
    expect(inForce(both, day(60))?.number).toBe(14)
    expect(inForce(both, day(76))?.number).toBe(15)
    expect(successorOf(both, both.find(({ number }) => number === 2) ?? both[0]!)?.number).toBe(14)
    expect(coveredUntil(both, day(0))).toBe(day(45 + 60 + 45))
  })
})

describe('whatever is stored', () => {
  it('R4 R13 the number that counts never falls while time goes on', () => {
    fc.assert(
      fc.property(anyCrls, fc.array(fc.integer({ min: -60, max: 500 }), { maxLength: 20 }), (stored, days) => {
        const numbers = [...days].sort((a, b) => a - b).map((at) => inForce(stored, day(at))?.number ?? -1)
        expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
      }),
    )
  })

  it('there is one that has not run out at every moment until the end that is told, and none at that end', () => {
    fc.assert(
      fc.property(anyCrls, fc.integer({ min: -60, max: 500 }), (stored, start) => {
        const until = coveredUntil(stored, day(start))
        const last = until === null ? start : Math.round((until - START) / DAY)
        for (let at = start; at < last; at++) {
          const crl = inForce(stored, day(at))
          expect(crl !== null && crl.nextUpdate > day(at)).toBe(true)
        }
        const end = inForce(stored, day(last))
        expect(end === null || end.nextUpdate <= day(last)).toBe(true)
      }),
    )
  })

  it('rows are in the order of their numbers', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (one, other) => {
        expect(advanceScope(one) < advanceScope(other)).toBe(one < other)
      }),
    )
  })
})
