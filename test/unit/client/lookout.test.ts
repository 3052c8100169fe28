import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Lookout } from '#client/lookout.ts'
import { HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import { FakeClock } from '../../fakes/clock.ts'

let clock: FakeClock
let lookout: Lookout | undefined

beforeEach(() => {
  clock = new FakeClock()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  lookout?.close()
  vi.useRealTimers()
})

/** Clock and timers together. */
async function pass(length: number): Promise<void> {
  for (let passed = 0; passed < length; passed += SECOND) {
    clock.advance(SECOND)
    await vi.advanceTimersByTimeAsync(SECOND)
  }
}

function watching(look: () => Promise<number>, hurry: () => Promise<void> = () => Promise.resolve()): Lookout {
  lookout = new Lookout({ clock, spread: 0.5, look, hurry })
  return lookout
}

describe('looking again and again', () => {
  it('begins soon, and goes on after what each look says, a little earlier', async () => {
    const look = vi.fn(() => Promise.resolve(5 * MINUTE))
    watching(look)
    await pass(5 * SECOND)
    expect(look).toHaveBeenCalledTimes(1)
    await pass(4 * MINUTE)
    expect(look).toHaveBeenCalledTimes(1)
    await pass(MINUTE)
    expect(look).toHaveBeenCalledTimes(2)
  })

  it('goes on while the server is away', async () => {
    const look = vi.fn(() => Promise.reject<number>(new TypeError('away')))
    watching(look)
    await pass(2 * MINUTE)
    expect(look.mock.calls.length).toBeGreaterThanOrEqual(6)
  })

  it('notices a clock that was set forward, and one that was set back, within half a minute', async () => {
    const look = vi.fn(() => Promise.resolve(HOUR))
    watching(look)
    await pass(5 * SECOND)
    clock.advance(HOUR)
    await vi.advanceTimersByTimeAsync(30 * SECOND)
    expect(look).toHaveBeenCalledTimes(2)
    clock.advance(-3 * HOUR)
    await vi.advanceTimersByTimeAsync(30 * SECOND)
    expect(look).toHaveBeenCalledTimes(3)
  })

  it('looks at once for whoever waits, once for all of them, and once a second at most', async () => {
    const hurry = vi.fn(() => Promise.resolve())
    const watched = watching(() => Promise.resolve(HOUR), hurry)
    const first = Promise.all([watched.hurry(), watched.hurry(), watched.hurry()])
    await vi.advanceTimersByTimeAsync(0)
    await first
    expect(hurry).toHaveBeenCalledTimes(1)
    let isDone = false
    const second = watched.hurry().then(() => (isDone = true))
    await vi.advanceTimersByTimeAsync(900)
    expect(isDone).toBe(false)
    await vi.advanceTimersByTimeAsync(200)
    await second
    expect(hurry).toHaveBeenCalledTimes(2)
  })

  it('looks once more for whoever comes while a look is under way: that one may be too old already', async () => {
    const answers: (() => void)[] = []
    const hurry = vi.fn(() => new Promise<void>((resolve) => answers.push(resolve)))
    const watched = watching(() => Promise.resolve(HOUR), hurry)
    const first = watched.hurry()
    await vi.advanceTimersByTimeAsync(0)
    const second = watched.hurry()
    answers[0]?.()
    await first
    await vi.advanceTimersByTimeAsync(SECOND)
    expect(hurry).toHaveBeenCalledTimes(2)
    answers[1]?.()
    await second
  })

  it('looks no more once it is closed', async () => {
    const look = vi.fn(() => Promise.resolve(SECOND))
    watching(look).close()
    await pass(MINUTE)
    expect(look).not.toHaveBeenCalled()
  })
})
