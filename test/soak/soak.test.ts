import { expect, it } from 'vitest'
import { soak } from '../../scripts/soak/soak.ts'

it('promise 8: the short soak fails no handshake, refuses nothing valid and accepts nothing invalid', async () => {
  const said: string[] = []
  const counters = await soak({
    minutes: 1,
    agents: 4,
    provider: 'sqlite',
    isHurried: true,
    said: (text) => said.push(text),
  })
  const { failedHandshakes, failedCalls, validRefused, invalidAccepted, ...done } = counters.figures
  expect({ failedHandshakes, failedCalls, validRefused, invalidAccepted }, counters.examples.join('\n')).toEqual({
    failedHandshakes: 0,
    failedCalls: 0,
    validRefused: 0,
    invalidAccepted: 0,
  })
  // It has done what it is for.
  expect(done.handshakes).toBeGreaterThan(20)
  expect(done.tokensAccepted).toBeGreaterThan(20)
  expect(done.invalidTried).toBeGreaterThanOrEqual(12)
  expect(said.filter((text) => text.includes('tainted'))).toHaveLength(3)
}, 600_000)
