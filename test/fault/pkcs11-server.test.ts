import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { createCsr, toPem } from '#x509/index.ts'
import { CKR, FaultInjector } from '../support/fault-injector.ts'
import { newTestKey } from '../support/keys.ts'
import { run } from '../support/run.ts'
import { BILLING, TestHouse, type Enrolled, type Reply } from '../support/server.ts'
import { SoftHsm } from '../support/softhsm.ts'

describe('a server whose keys all live in a token', () => {
  let hsm: SoftHsm
  let faults: FaultInjector
  let house: TestHouse
  let bot: Enrolled
  /** For what changes an instance. */
  let second: Enrolled

  beforeAll(async () => {
    hsm = new SoftHsm().use()
    faults = new FaultInjector().use()
    const token = { name: 'hsm', module: faults.module, uri: hsm.token.uri, pin_file: hsm.token.pinFile }
    house = await TestHouse.start({ keys: { tokens: [token], stores: { default: 'hsm' } } })
    await house.register('invoice-bot')
    bot = await house.enroll('invoice-bot')
    second = await house.enroll('invoice-bot')
  }, 60_000)
  afterAll(async () => {
    faults.heal()
    await house.stop()
    faults.remove()
    hsm.remove()
  })

  async function renew(): Promise<Reply> {
    const csr = toPem('CERTIFICATE REQUEST', await createCsr(newTestKey().signer))
    return house.ask('/v1/renew', { as: second.identity, json: { csr } })
  }
  async function newToken(): Promise<Reply> {
    const as = bot.identity
    const jwt = await house.ask('/v1/jwt-svid', { as, json: { audience: ['https://id.example.org'] } })
    const authority = [{ type: 'task', resource: BILLING, actions: ['read'] }]
    const task = await house.ask('/v1/tasks', { as, json: { authority, expires_in: 600 } })
    return house.ask('/oauth2/token', {
      as,
      form: {
        grant_type: TOKEN_EXCHANGE_GRANT,
        client_id: bot.svid.spiffe_id,
        subject_token: String(jwt.body['token']),
        subject_token_type: JWT_TYPE,
        task_id: String(task.body['id']),
        resource: BILLING,
      },
    })
  }

  const health = (path: string) => fetch((house.server.addresses['health'] ?? '') + path)
  const jwtSvid = () => house.ask('/v1/jwt-svid', { as: bot.identity, json: { audience: ['https://id.example.org'] } })

  it('promise 7 has no key in a file, and the token gives none away', async () => {
    expect(existsSync(join(house.data, 'keys')) ? readdirSync(join(house.data, 'keys')) : []).toEqual([])
    const { items } = (await house.admin('/v1/authorities')).body as { items: readonly { kind: string; id: string }[] }
    const labels = items.map(({ kind, id }) => `${kind}-${id.replace('_', '-')}`)
    expect(labels.length).toBeGreaterThanOrEqual(3)
    for (const label of labels) {
      const attributes = hsm.tool('--list-objects', '--type', 'privkey', '--label', label)
      expect(attributes).toMatch(/sensitive, always sensitive, never extractable, local/)
    }
    const answers = hsm.steal()
    expect(answers.length).toBeGreaterThanOrEqual(labels.length)
    expect(new Set(answers)).toEqual(new Set(['CKR_ATTRIBUTE_SENSITIVE']))
  })

  it('enrolls, renews and exchanges, and openssl accepts the chain', async () => {
    expect((await renew()).status).toBe(200)
    expect((await newToken()).status).toBe(200)
    const bundle = JSON.parse(house.bundle) as { keys: readonly { use: string; x5c?: readonly string[] }[] }
    const anchors = bundle.keys.flatMap(({ x5c = [] }) => x5c)
    const pem = anchors.map(
      (der) => `-----BEGIN CERTIFICATE-----\n${der.replaceAll(/(.{64})/g, '$1\n')}\n-----END CERTIFICATE-----\n`,
    )
    const [roots, leaf] = [join(house.data, 'roots.pem'), join(house.data, 'leaf.pem')]
    writeFileSync(roots, pem.join(''))
    writeFileSync(leaf, bot.svid.certificate)
    const verified = run('openssl', ['verify', '-x509_strict', '-CAfile', roots, leaf])
    expect(verified).toMatchObject({ status: 0, stdout: expect.stringContaining('OK') as string })
  })

  it('measures each signature by its outcome, and says that the token is up', async () => {
    const metrics = await (await health('/metrics')).text()
    expect(metrics).toMatch(/writ_key_signature_duration_seconds_count\{token="hsm",outcome="made"\} [1-9]/)
    expect(metrics).toContain('writ_key_token_up{token="hsm"} 1')
  })

  it('issues nothing while its token fails, says so, goes on saying how things are, and heals by itself', async () => {
    const token = await newToken()
    faults.goneWith(CKR.DEVICE_REMOVED)
    expect(await jwtSvid()).toMatchObject({
      status: 503,
      headers: { 'retry-after': expect.stringMatching(/^[1-5]$/) as string },
      body: { code: 'KEY_UNAVAILABLE' },
    })
    expect(await renew()).toMatchObject({ status: 503, body: { code: 'KEY_UNAVAILABLE' } })
    const issuance = await health('/readyz/issuance')
    expect([issuance.status, await issuance.text()]).toEqual([503, 'KEY_UNAVAILABLE\n'])
    expect((await health('/readyz')).status).toBe(200)
    expect((await house.ask('/bundle')).status).toBe(200)
    const form = { token: String(token.body['access_token']) }
    expect((await house.ask('/oauth2/introspect', { as: bot.identity, form })).body).toMatchObject({ active: true })
    expect(await (await health('/metrics')).text()).toContain('writ_key_token_up{token="hsm"} 0')
    faults.heal()
    const begun = performance.now()
    await expect.poll(async () => (await jwtSvid()).status, { timeout: 8000 }).toBe(200)
    expect(performance.now() - begun).toBeLessThan(5000)
    expect((await health('/readyz/issuance')).status).toBe(200)
    expect(house.logged.join('')).toContain('"event":"keys.token"')
  })

  it('fails closed while its token is pulled out under load, and heals when it is back', async () => {
    const statuses = new Set<number>()
    let isOver = false
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!isOver) statuses.add((await jwtSvid()).status)
      }),
    )
    await expect.poll(() => statuses.has(200)).toBe(true)
    hsm.pull()
    await expect.poll(() => statuses.has(503)).toBe(true)
    hsm.putBack()
    const begun = performance.now()
    await expect.poll(async () => (await jwtSvid()).status, { timeout: 8000 }).toBe(200)
    expect(performance.now() - begun).toBeLessThan(5000)
    isOver = true
    await load
    expect(statuses).toEqual(new Set([200, 503]))
  })
})
