import { expect, it } from 'vitest'
import { soak } from '../../scripts/soak/soak.ts'

it.each(['rooted'] as const)(
  'promise 8: the short soak, %s, fails no handshake, refuses nothing valid and accepts nothing invalid',
  async (mode) => {
    const report = await soak({
      minutes: 0.5,
      agents: 4,
      workers: 1,
      provider: 'sqlite',
      replicas: 1,
      mode,
      isHurried: true,
      said: () => undefined,
    })
    const { failedHandshakes, failedCalls, validRefused, invalidAccepted, ...done } = report.figures
    expect({ failedHandshakes, failedCalls, validRefused, invalidAccepted }, report.examples.join('\n')).toEqual({
      failedHandshakes: 0,
      failedCalls: 0,
      validRefused: 0,
      invalidAccepted: 0,
    })
    // It has done what it is for.
    expect(done.handshakes).toBeGreaterThan(20)
    expect(done.tokens).toBeGreaterThan(10)
    expect(done.svids).toBeGreaterThan(10)
    expect(done.invalidTried).toBeGreaterThanOrEqual(20)
    const names = report.steps.map(({ name }) => name)
    for (const kind of ['access-token', 'jwt-svid', 'x509', 'x509-root']) {
      for (const step of ['activated', 'rolled back', 'the first one is retired', 'the one that signs is tainted']) {
        expect(names).toContain(`${kind}: ${step}`)
      }
    }
  },
  600_000,
)
