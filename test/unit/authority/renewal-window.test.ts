import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { renewalWindow, SUPERSEDED_SPREAD, type AuthorityState, type RenewalFacts } from '#authority/index.ts'
import { after, DAY, HOUR, instant, MINUTE } from '#kernel/instant.ts'

const T0 = instant(1_800_000_000_000)

function facts(changes: Partial<RenewalFacts> = {}): RenewalFacts {
  return {
    serial: '01'.repeat(17),
    life: { notBefore: T0, notAfter: after(T0, 24 * HOUR) },
    isRevoked: false,
    authority: { state: 'active', activatedAt: after(T0, -DAY) },
    activeSince: after(T0, -DAY),
    ...changes,
  }
}

const serials = fc.uint8Array({ minLength: 17, maxLength: 17 }).map((octets) => Buffer.from(octets).toString('hex'))

describe('the renewal window of a certificate', () => {
  it('lies around half of its life', () => {
    const { start, end } = renewalWindow(facts())
    expect(start).toBeGreaterThanOrEqual(T0 + 0.45 * DAY)
    expect(end).toBeLessThanOrEqual(T0 + 0.55 * DAY)
  })

  it.each([
    ['somebody has revoked it', { isRevoked: true }],
    ['its authority is tainted', { authority: { state: 'tainted' as const, activatedAt: T0 } }],
    ['its authority is retired', { authority: { state: 'retired' as const, activatedAt: T0 } }],
  ])('is over when %s', (_why, changes) => {
    const { start, end } = renewalWindow(facts(changes))
    expect(end).toBeLessThan(T0 + 30_000)
    expect(end).toBeGreaterThan(start)
  })

  it.each([
    ['has been superseded', { state: 'retiring', activatedAt: T0 }],
    ['was taken back by a rollback', { state: 'published', activatedAt: T0 }],
  ] as const)('moves forward when its authority %s', (_why, authority) => {
    const activeSince = after(T0, HOUR)
    const { start, end } = renewalWindow(facts({ authority, activeSince }))
    expect(start).toBeGreaterThanOrEqual(activeSince)
    expect(end).toBeLessThanOrEqual(activeSince + SUPERSEDED_SPREAD + 1)
  })

  it('does not move back when its authority is superseded late in its life', () => {
    const authority = { state: 'retiring', activatedAt: T0 } as const
    const late = renewalWindow(facts({ authority, activeSince: after(T0, 20 * HOUR) }))
    expect(late).toEqual(renewalWindow(facts()))
  })

  it('stays where it is when an authority is published that has not signed yet', () => {
    expect(renewalWindow(facts({ authority: { state: 'published', activatedAt: null } }))).toEqual(
      renewalWindow(facts()),
    )
  })

  it('is the same each time, and spreads a fleet evenly', () => {
    const authority = { state: 'retiring', activatedAt: T0 } as const
    const tenths = new Array<number>(10).fill(0)
    for (let index = 0; index < 2_000; index++) {
      const asked = facts({ serial: `serial-${String(index)}`, authority, activeSince: after(T0, HOUR) })
      const { start, end } = renewalWindow(asked)
      expect(renewalWindow(asked)).toEqual({ start, end })
      const middle = (start + end) / 2 - (T0 + HOUR)
      tenths[Math.floor((middle / SUPERSEDED_SPREAD) * 10)]! += 1
    }
    for (const count of tenths) expect(count).toBeLessThan(350)
  })

  it('always ends after it starts, and before the certificate does', () => {
    const states = fc.constantFrom<AuthorityState>('published', 'active', 'retiring', 'tainted', 'retired')
    const property = fc.property(
      serials,
      fc.integer({ min: 5 * MINUTE, max: 24 * HOUR }),
      states,
      fc.integer({ min: -DAY, max: DAY }),
      (serial, length, state, offset) => {
        const life = { notBefore: T0, notAfter: after(T0, length) }
        const activeSince = after(T0, offset)
        const { start, end } = renewalWindow(
          facts({ serial, life, authority: { state, activatedAt: T0 }, activeSince }),
        )
        expect(end).toBeGreaterThan(start)
        expect(start).toBeGreaterThanOrEqual(T0)
        expect(end).toBeLessThan(life.notAfter)
      },
    )
    fc.assert(property)
  })
})
