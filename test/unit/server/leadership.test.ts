import { describe, expect, it } from 'vitest'
import { SECOND } from '#kernel/instant.ts'
import { Leadership } from '../../../src/server/leadership.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { MemoryStore } from '../../fakes/memory-store.ts'

function replicas(): { clock: FakeClock; asked: () => number; one: Leadership; two: Leadership } {
  const clock = new FakeClock()
  const store = new MemoryStore({ clock })
  let asked = 0
  const counted = {
    acquire: (...given: Parameters<MemoryStore['acquire']>) => {
      asked++
      return store.acquire(...given)
    },
    release: store.release.bind(store),
  }
  return {
    clock,
    asked: () => asked,
    one: new Leadership(counted, clock, 'one'),
    two: new Leadership(counted, clock, 'two'),
  }
}

describe('a duty that one replica does for all', () => {
  it('is held by one of two', async () => {
    const { one, two } = replicas()
    expect(await one.holds('purge', 10 * SECOND)).toBe(true)
    expect(await two.holds('purge', 10 * SECOND)).toBe(false)
    expect(await two.holds('sequence', 10 * SECOND)).toBe(true)
  })

  it('is left to the others at once by one who resigns, also when it has just been refused', async () => {
    const { clock, one, two } = replicas()
    expect(await one.holds('sequence', 10 * SECOND)).toBe(true)
    expect(await two.holds('sequence', 10 * SECOND)).toBe(false)
    await one.resign()
    clock.advance(SECOND / 4)
    expect(await two.holds('sequence', 10 * SECOND)).toBe(true)
    expect(await one.holds('sequence', 10 * SECOND)).toBe(false)
  })

  it('is asked for four times a second by one who waits for it, however often it is woken', async () => {
    const { clock, asked, one, two } = replicas()
    expect(await one.holds('sequence', 3 * SECOND)).toBe(true)
    for (let woken = 0; woken < 1000; woken++) {
      expect(await two.holds('sequence', 3 * SECOND)).toBe(false)
      clock.advance(1)
    }
    expect(asked()).toBe(1 + 4)
  })

  it('is taken over from one who was killed a quarter of a second after its lease has run out, or sooner', async () => {
    const { clock, one, two } = replicas()
    expect(await one.holds('sequence', 3 * SECOND)).toBe(true)
    let waited = 0
    while (!(await two.holds('sequence', 3 * SECOND))) {
      clock.advance(10)
      waited += 10
    }
    expect(waited).toBeGreaterThanOrEqual(3 * SECOND)
    expect(waited).toBeLessThanOrEqual(3.25 * SECOND)
  })

  it('asks the store again only when half of the lease is over', async () => {
    const { clock, asked, one } = replicas()
    for (let tick = 0; tick < 24; tick++) {
      expect(await one.holds('sequence', 10 * SECOND)).toBe(true)
      clock.advance(SECOND / 5)
    }
    expect(asked()).toBe(1)
    clock.advance(SECOND)
    expect(await one.holds('sequence', 10 * SECOND)).toBe(true)
    expect(asked()).toBe(2)
  })

  it('goes to the other once the holder has let its lease run out, and the holder learns of it', async () => {
    const { clock, one, two } = replicas()
    expect(await one.holds('sequence', 10 * SECOND)).toBe(true)
    clock.advance(11 * SECOND)
    expect(await two.holds('sequence', 10 * SECOND)).toBe(true)
    expect(await one.holds('sequence', 10 * SECOND)).toBe(false)
  })
})
