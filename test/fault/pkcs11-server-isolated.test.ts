import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCsr, toPem } from '#x509/index.ts'
import { newTestKey } from '../support/keys.ts'
import { IsolatedModule } from '../support/p11-kit.ts'
import { identityOf, TestHouse, type ClientIdentity, type Reply } from '../support/server.ts'
import { SoftHsm } from '../support/softhsm.ts'

const CALLERS = 3

describe('a server whose module is in a process of its own', () => {
  let hsm: SoftHsm
  let isolated: IsolatedModule
  let house: TestHouse

  beforeAll(async () => {
    hsm = new SoftHsm()
    isolated = new IsolatedModule(hsm.module, hsm.environment)
    Object.assign(process.env, isolated.environment)
    await isolated.start()
    const token = { name: 'hsm', module: isolated.module, uri: hsm.token.uri, pin_file: hsm.token.pinFile }
    house = await TestHouse.start({ keys: { tokens: [token], stores: { default: 'hsm' } } })
    await house.register('invoice-bot')
  }, 60_000)
  afterAll(async () => {
    await house.stop()
    await isolated.remove()
    hsm.remove()
  })

  const health = (path: string) => fetch((house.server.addresses['health'] ?? '') + path)

  /** Renews, each time with the certificate of the time before, until told to end. */
  class Renewing {
    readonly replies: Reply[] = []
    isOver = false
    #identity: ClientIdentity

    constructor(identity: ClientIdentity) {
      this.#identity = identity
    }

    async run(): Promise<void> {
      while (!this.isOver) {
        const key = newTestKey()
        const csr = toPem('CERTIFICATE REQUEST', await createCsr(key.signer))
        const reply = await house.ask('/v1/renew', { as: this.#identity, json: { csr } })
        this.replies.push(reply)
        const { certificate, chain } = reply.body
        if (reply.status === 200) this.#identity = identityOf(key, String(certificate) + String(chain))
      }
    }

    count(status: number): number {
      return this.replies.filter((reply) => reply.status === status).length
    }
  }

  it('issues nothing while the module is dead under load, says so, and heals by itself within 5 s of its return', async () => {
    const enrolled = await Promise.all(Array.from({ length: CALLERS }, () => house.enroll('invoice-bot')))
    const callers = enrolled.map(({ identity }) => new Renewing(identity))
    const load = Promise.all(callers.map((caller) => caller.run()))
    const total = (status: number): number => callers.reduce((sum, caller) => sum + caller.count(status), 0)
    await expect.poll(() => total(200), { timeout: 10_000 }).toBeGreaterThan(2 * CALLERS)
    await isolated.kill()
    await expect.poll(() => total(503), { timeout: 10_000 }).toBeGreaterThan(CALLERS)
    const issuance = await health('/readyz/issuance')
    expect([issuance.status, await issuance.text()]).toEqual([503, 'KEY_UNAVAILABLE\n'])
    expect((await health('/readyz')).status).toBe(200)
    expect((await house.ask('/bundle')).status).toBe(200)
    const before = total(200)
    await isolated.start()
    const begun = performance.now()
    await expect.poll(() => total(200), { timeout: 8000 }).toBeGreaterThan(before)
    expect(performance.now() - begun).toBeLessThan(5000)
    expect((await health('/readyz/issuance')).status).toBe(200)
    for (const caller of callers) caller.isOver = true
    await load

    const replies = callers.flatMap((caller) => caller.replies)
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200, 503]))
    for (const { headers, body } of replies.filter(({ status }) => status === 503)) {
      expect(headers['retry-after']).toMatch(/^[1-5]$/)
      expect(body['code']).toBe('KEY_UNAVAILABLE')
    }
    const { keys } = JSON.parse(house.bundle) as { keys: readonly { x5c?: readonly string[] }[] }
    const anchors = keys.flatMap(({ x5c = [] }) => x5c).map((der) => new X509Certificate(Buffer.from(der, 'base64')))
    const wrong = replies.filter(({ status, body }) => {
      return (
        status === 200 &&
        !anchors.some(({ publicKey }) => new X509Certificate(String(body['certificate'])).verify(publicKey))
      )
    })
    expect(wrong).toEqual([])
  }, 60_000)
})
