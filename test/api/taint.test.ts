import { connect } from 'node:tls'
import { once } from 'node:events'
import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCsr, toPem } from '#x509/index.ts'
import { newTestKey } from '../support/keys.ts'
import { identityOf, TestHouse, type Enrolled } from '../support/server.ts'

let house: TestHouse
let bot: Enrolled

beforeAll(async () => {
  // With nothing in reserve: a successor is made for the taint.
  house = await TestHouse.start({ authorities: { standby: false } })
  await house.register('invoice-bot')
  bot = await house.enroll('invoice-bot')
  // One that does not renew, so that the taint is not over before it was seen.
  await house.enroll('invoice-bot')
}, 60_000)
afterAll(async () => {
  await house.stop()
})

async function signing(kind: string): Promise<string> {
  const { body } = await house.admin('/v1/authorities')
  const rows = body['items'] as readonly { readonly id: string; readonly kind: string; readonly state: string }[]
  return rows.find((row) => row.kind === kind && row.state === 'active')?.id ?? ''
}

/** What the server presents to the next client. */
async function presented(): Promise<X509Certificate> {
  const socket = connect({ host: '127.0.0.1', port: house.port, rejectUnauthorized: false, servername: 'localhost' })
  await once(socket, 'secureConnect')
  const certificate = socket.getPeerX509Certificate()
  socket.destroy()
  if (certificate === undefined) throw new TypeError('no certificate')
  return certificate
}

async function renew(): Promise<{ readonly status: number; readonly identity: ReturnType<typeof identityOf> }> {
  const key = newTestKey()
  const csr = toPem('CERTIFICATE REQUEST', await createCsr(key.signer))
  const { status, body } = await house.ask('/v1/renew', { json: { csr }, as: bot.identity })
  return { status, identity: identityOf(key, String(body['certificate']) + String(body['chain'])) }
}

describe('tainting the authority of a running server', () => {
  it('promise 8 changes its own certificate at once, and lets who was enrolled renew and do nothing else', async () => {
    const old = await presented()
    const id = await signing('x509')
    const dry = await house.admin(`/v1/authorities/${id}/taint`, { json: { dry_run: true } })
    expect(dry.body).toMatchObject({ dry_run: true, gate: null, affected: { identities: 2, more: false } })
    expect(dry.body['unaware']).toMatchObject({ instances: 2, more: false })
    const done = await house.admin(`/v1/authorities/${id}/taint`, { json: { reason: 'a rehearsal', within: 600 } })
    expect(done.status).toBe(200)
    expect(done.body).toMatchObject({ changes: [{ authority: id, state: 'tainted' }, { state: 'active' }] })
    // Its duty would look after ten seconds.
    await expect.poll(async () => (await presented()).issuer, { timeout: 4000 }).not.toBe(old.issuer)
    const { body } = await house.ask('/bundle')
    const x509 = (body['keys'] as readonly { readonly use: string; readonly x5c?: readonly string[] }[]).filter(
      ({ use }) => use === 'x509-svid',
    )
    expect(x509).toHaveLength(1)
    const anchor = new X509Certificate(Buffer.from(x509[0]?.x5c?.[0] ?? '', 'base64'))
    expect((await presented()).verify(anchor.publicKey)).toBe(true)
    expect((await house.ask('/v1/whoami', { as: bot.identity })).body['code']).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
    const renewed = await renew()
    expect(renewed.status).toBe(200)
    expect((await house.ask('/v1/whoami', { as: renewed.identity })).body).toMatchObject({ kind: 'agent' })
    // It says so in the metrics, and in the state of the rotation.
    const health = house.server.addresses['health'] ?? ''
    await expect
      .poll(async () => (await fetch(`${health}/metrics`)).text(), { timeout: 20_000 })
      .toContain('writ_authority_phase{kind="x509",state="tainted"} 1')
    const rotation = await house.admin('/v1/rotation')
    const items = rotation.body['items'] as readonly {
      readonly state: string
      readonly next: { readonly step: string }
    }[]
    expect(items.find(({ state }) => state === 'tainted')?.next.step).toBe('revoke')
  }, 60_000)

  it('refuses what belongs to a taint with another step, and an override without a reason', async () => {
    const id = await signing('x509')
    expect((await house.admin(`/v1/authorities/${id}/retire`, { json: { within: 60 } })).status).toBe(400)
    const urgent = await house.admin(`/v1/authorities/${id}/retire`, { json: { urgent: true } })
    expect([urgent.status, urgent.body['code']]).toEqual([400, 'AUTHORITY_REASON_REQUIRED'])
    const active = await house.admin(`/v1/authorities/${id}/retire`, { json: { urgent: true, reason: 'x' } })
    expect([active.status, active.body['code']]).toEqual([409, 'AUTHORITY_TRANSITION'])
  })
})
