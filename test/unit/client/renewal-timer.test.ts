import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RenewalTimer } from '#client/renewal-timer.ts'
import { after, HOUR, MINUTE, SECOND, type Instant } from '#kernel/instant.ts'
import { FakeClock } from '../../fakes/clock.ts'

let clock: FakeClock
let began: Instant
let timer: RenewalTimer

const renew = vi.fn<() => Promise<void>>()
const failed = vi.fn()
/** Half of every span. */
const random = { bytes: (length: number) => new Uint8Array(length).fill(128) }

const certificate = (from = began) => ({
  notBefore: from,
  notAfter: after(from, HOUR),
  renewAt: after(from, 30 * MINUTE),
})

beforeEach(() => {
  clock = new FakeClock()
  began = clock.now()
  renew.mockReset().mockImplementation(() => {
    timer.start(certificate(clock.now()))
    return Promise.resolve()
  })
  failed.mockReset()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  timer = new RenewalTimer({ clock, random, renew, failed, ticked: () => undefined })
  timer.start(certificate())
})
afterEach(() => {
  timer.close()
  vi.useRealTimers()
})

async function pass(length: number): Promise<void> {
  for (let passed = 0; passed < length; passed += SECOND) {
    clock.advance(SECOND)
    await vi.advanceTimersByTimeAsync(SECOND)
  }
}

describe('the time of a renewal', () => {
  it('is half of the life where the server says nothing', async () => {
    await pass(29 * MINUTE)
    expect(renew).not.toHaveBeenCalled()
    await pass(2 * MINUTE)
    expect(renew).toHaveBeenCalledTimes(1)
  })

  it('is within the window that the server says, be it earlier or later', async () => {
    timer.heed({ start: after(began, 10 * MINUTE), end: after(began, 12 * MINUTE) }, certificate())
    await pass(10 * MINUTE)
    expect(renew).not.toHaveBeenCalled()
    await pass(2 * MINUTE)
    expect(renew).toHaveBeenCalledTimes(1)
    const next = clock.now()
    timer.heed({ start: after(next, 40 * MINUTE), end: after(next, 44 * MINUTE) }, certificate(next))
    await pass(39 * MINUTE)
    expect(renew).toHaveBeenCalledTimes(1)
    await pass(5 * MINUTE)
    expect(renew).toHaveBeenCalledTimes(2)
  })

  it.each([
    ['after its end', 5 * HOUR, 6 * HOUR],
    ['at its very end', HOUR - SECOND, HOUR],
    ['anywhere up to the end of time', 0, 1e12],
  ])('leaves a sixth of the life for another try, also when the server says %s', async (_when, start, end) => {
    timer.heed({ start: after(began, start), end: after(began, end) }, certificate())
    await pass(50 * MINUTE)
    expect(renew).toHaveBeenCalledTimes(1)
  })

  it('leaves that also when the certificate came with no better moment than its end', async () => {
    timer.start({ ...certificate(), renewAt: after(began, HOUR) })
    await pass(50 * MINUTE)
    expect(renew).toHaveBeenCalledTimes(1)
  })

  it('is within five seconds when the window is past', async () => {
    timer.heed({ start: after(began, -2 * MINUTE), end: after(began, -MINUTE) }, certificate())
    await pass(5 * SECOND)
    expect(renew).toHaveBeenCalledTimes(1)
  })

  it('is at a moment of its own within five seconds when who signed is trusted no more, however often that is noticed', async () => {
    const began_ = clock.now()
    const renewedAfter: number[] = []
    const timers = [0, 64, 128, 255].map((draw) => {
      const one: RenewalTimer = new RenewalTimer({
        clock,
        random: { bytes: (length: number) => new Uint8Array(length).fill(draw) },
        renew: () => {
          renewedAfter.push((clock.now() - began_) / SECOND)
          one.start({ ...certificate(), renewAt: after(clock.now(), 30 * MINUTE), notAfter: after(clock.now(), HOUR) })
          return Promise.resolve()
        },
        failed,
        ticked: () => undefined,
      })
      one.start(certificate())
      return one
    })
    for (let second = 0; second < 6; second++) {
      // The bundle is looked at again before it is their turn.
      if (second < 2) for (const one of timers.slice(1)) one.renewAtOnce()
      if (second === 0) timers[0]?.renewAtOnce()
      await pass(SECOND)
    }
    expect(renewedAfter).toEqual([1, 2, 3, 5])
    timers.forEach((one) => {
      one.close()
    })
  })

  it('is not moved by advice while a failed renewal waits for its next attempt', async () => {
    renew.mockImplementation(() => Promise.reject(new TypeError('refused')))
    const past = { start: after(began, -2 * MINUTE), end: after(began, -MINUTE) }
    timer.heed(past, certificate())
    await pass(4 * SECOND)
    expect(failed).toHaveBeenCalledTimes(1)
    for (let second = 0; second < 60; second++) {
      timer.heed(past, certificate())
      await pass(SECOND)
    }
    // After 5, 10, 20 and 40 seconds: the fourth is still to come.
    expect(renew.mock.calls.length).toBeLessThanOrEqual(4)
    expect(renew.mock.calls.length).toBeGreaterThanOrEqual(3)
  })
})
