import { expect, it } from 'vitest'
import { soak } from '../../scripts/soak/soak.ts'

it.each(['rooted', 'self-rooted'] as const)(
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
    const { failedHandshakes, failedCalls, validRefused, invalidAccepted, unproven, ...done } = report.figures
    const bad = { failedHandshakes, failedCalls, validRefused, invalidAccepted, unproven }
    expect(bad, [...report.examples, ...report.pulse.notes].join('\n')).toEqual({
      failedHandshakes: 0,
      failedCalls: 0,
      validRefused: 0,
      invalidAccepted: 0,
      unproven: 0,
    })
    expect(report.clean).toBe(true)
    // It has done what it is for.
    expect(done.handshakes).toBeGreaterThan(20)
    expect(done.tokens).toBeGreaterThan(10)
    expect(done.svids).toBeGreaterThan(10)
    expect(done.invalidTried).toBeGreaterThanOrEqual(20)
    const all = 'rotated, rolled back, tainted'
    const root = mode === 'rooted' ? all : (expect.stringContaining('there is none') as string)
    expect(report.coverage).toEqual({ x509: all, 'x509-root': root, 'access-token': all, 'jwt-svid': all })
  },
  600_000,
)
