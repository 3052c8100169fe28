import { expect, it } from 'vitest'
import { toHex } from '#kernel/bytes.ts'
import { SystemClock, SystemRandom } from '../../../../src/adapters/system/index.ts'

it('the clock tells the time, and its monotonic side never goes back', () => {
  const clock = new SystemClock()
  expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1_000)
  const readings = Array.from({ length: 1_000 }, () => clock.monotonic())
  expect(readings).toEqual([...readings].sort((left, right) => left - right))
})

it('random bytes are as many as asked for, plain, and not the same twice', () => {
  const random = new SystemRandom()
  expect(random.bytes(0)).toHaveLength(0)
  const drawn = Array.from({ length: 100 }, () => toHex(random.bytes(16)))
  expect(new Set(drawn).size).toBe(100)
  expect(Object.getPrototypeOf(random.bytes(4))).toBe(Uint8Array.prototype)
})
