import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import { enroll, generateKeyPem, trustOfBundle, withSession, type Identity } from '#client/index.ts'
import { Secret } from '#kernel/secret.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { BILLING, TestHouse } from '../support/server.ts'

const clock = new SystemClock()
const random = new SystemRandom()

let house: TestHouse

beforeAll(async () => {
  house = await TestHouse.start()
  await house.register('bot')
})
afterAll(() => house.stop())

/** With a token that was made before; nobody waits for it. */
const join = (token: string, pem?: Secret<string>): Promise<Identity> =>
  enroll({
    server: `https://localhost:${String(house.port)}`,
    trust: trustOfBundle('example.org', house.bundle),
    evidence: { attestor: 'join_token', token: new Secret(token) },
    clock,
    ...(pem === undefined ? {} : { key: { kind: 'pem', pem } }),
  })

const revoke = async (handle: string, value: string, reason = 'unspecified'): Promise<void> => {
  const { status } = await house.admin('/v1/revocations', { json: { handle, value, reason } })
  expect(status).toBe(200)
}

describe('a client that asks within a second of a revocation', () => {
  let identity: Identity
  let spare: string
  beforeEach(async () => {
    identity = await join(await house.joinToken('bot'))
    spare = await house.joinToken('bot')
  })

  it('is told when to come again, and enrolls then by itself', async () => {
    // On a machine that is busy the second may be over before we have asked.
    let refusal = ''
    for (let left = 20; refusal === '' && left > 0; left--) {
      await revoke('agent', 'bot')
      await house.enroll('bot').catch((error: unknown) => (refusal = String(error)))
    }
    expect(refusal).toContain('ISSUANCE_CUT_OFF')
    await revoke('agent', 'bot')
    expect((await join(spare)).spiffeId.toString()).toContain('/agent/bot/')
  })

  it('exchanges then by itself, when it was the subject that lost its tokens', async () => {
    const authority = [{ type: 'task' as const, resource: BILLING, actions: ['read'] }]
    const token = await withSession(identity, { clock, random }, async (session) => {
      const { id } = await session.openTask({ authority, expiresIn: 600 })
      await session.exchange({ task: id, resource: BILLING })
      await revoke('subject', identity.spiffeId.toString())
      return session.exchange({ task: id, resource: BILLING })
    })
    expect(token.expiresAt).toBeGreaterThan(Date.now())
  })

  it('is refused all the same, after some seconds, when its key is blocked for ever', async () => {
    const pem = generateKeyPem()
    const { serial } = await join(await house.joinToken('bot'), pem)
    await revoke('certificate', serial, 'key_compromise')
    expect(await codeOfAsync(() => join(spare, pem))).toBe('ISSUANCE_CUT_OFF')
  })
})
