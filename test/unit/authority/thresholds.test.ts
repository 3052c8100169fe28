import { describe, expect, it } from 'vitest'
import { activateAt, hasPropagated, prepareAt, retireAt } from '#authority/index.ts'
import { after, DAY, HOUR, instant, MINUTE } from '#kernel/instant.ts'

const START = instant(1_797_840_000_000)
const life = (length: number) => ({ notBefore: START, notAfter: after(START, length) })

describe('the thresholds of a rotation', () => {
  it.each([
    [30 * DAY, 15 * DAY, 25 * DAY],
    [24 * HOUR, 12 * HOUR, 20 * HOUR],
    [365 * DAY, 335 * DAY, 358 * DAY],
  ])(
    'prepares at half of the life and activates with a sixth left, both capped (life %i)',
    (length, prepare, activate) => {
      expect(prepareAt(life(length)) - START).toBe(prepare)
      expect(activateAt(life(length)) - START).toBe(activate)
    },
  )

  it('has propagated when everybody has had time to fetch the bundle twice', () => {
    expect(hasPropagated(START, after(START, 10 * MINUTE - 1))).toBe(false)
    expect(hasPropagated(START, after(START, 10 * MINUTE))).toBe(true)
  })

  it('retires once the longest leaf has ended', () => {
    expect(retireAt(START, DAY) - START).toBe(DAY + 10 * MINUTE)
  })
})
