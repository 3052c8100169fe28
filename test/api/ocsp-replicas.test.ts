import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CertStatus } from '#x509/index.ts'
import { encodeOcspRequest, fromPem, IssuerNames, parseCertificate, type Certificate } from '#x509/index.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { answerIn } from '../support/ocsp.ts'
import { TestHouse } from '../support/server.ts'
import { storePassword } from '../support/store-password.ts'

const DER = { 'content-type': 'application/ocsp-request' }

describe('promise 6: two servers on one PostgreSQL that are asked over OCSP', () => {
  let database: TestDatabase
  let house: TestHouse
  let replica: TestHouse
  let issuer: Certificate

  beforeAll(async () => {
    database = await createDatabase('postgresql', '')
    const { passwordFile } = storePassword()
    const url = new URL(database.url)
    url.password = ''
    const password = passwordFile === undefined ? {} : { password_file: passwordFile }
    house = await TestHouse.start({ database: { url: url.href, ...password } })
    replica = await house.replica(2)
    await house.register('bot')
    const { items } = (await house.admin('/v1/authorities')).body as { items: { kind: string; certificate: string }[] }
    const pem = items.find(({ kind }) => kind === 'x509')?.certificate ?? ''
    issuer = parseCertificate(fromPem('CERTIFICATE', pem))
  }, 60_000)
  afterAll(async () => {
    await replica.stop()
    await house.stop()
    await database.drop()
  })

  async function ask(at: TestHouse, serial: Uint8Array): Promise<CertStatus | string | undefined> {
    const body = encodeOcspRequest({ certIds: [new IssuerNames(issuer).certId('sha256', serial)], nonce: undefined })
    const url = `${at.server.addresses['status'] ?? ''}/ocsp`
    const reply = await fetch(url, { method: 'POST', body: new Uint8Array(body), headers: DER })
    const answer = answerIn(new Uint8Array(await reply.arrayBuffer()), issuer)
    return typeof answer === 'string' ? answer : answer.responses[0]?.status
  }

  it('O14 both say revoked within a second of the revocation, also where they said good before, and count it', async () => {
    for (let round = 0; round < 10; round++) {
      const { svid } = await house.enroll('bot')
      const { serial } = parseCertificate(fromPem('CERTIFICATE', svid.certificate))
      for (const at of [house, replica]) expect(await ask(at, serial)).toEqual({ kind: 'good' })
      const value = svid.spiffe_id.split('/').at(-1)
      const json = { handle: 'instance', value, reason: 'key_compromise' }
      expect((await house.admin('/v1/revocations', { json })).status).toBe(200)
      // The revocation has been answered: what is asked from here on has to know of it, and none may be late.
      const revoked = performance.now()
      for (const at of [replica, house]) {
        expect(await ask(at, serial)).toMatchObject({ kind: 'revoked', reason: 'keyCompromise' })
      }
      expect(performance.now() - revoked).toBeLessThan(1000)
    }
    const text = await (await fetch(`${house.server.addresses['health'] ?? ''}/metrics`)).text()
    expect(text).toMatch(/^writ_ocsp_certificates_asked_total\{hash="sha256"\} 20$/m)
    expect(text).toMatch(/^writ_ocsp_answers_total\{status="revoked",from="signed"\} 10$/m)
    expect(text).toMatch(/^writ_ocsp_failures_total 0$/m)
  })

  it('show their one responder among the authorities', async () => {
    const { items } = (await replica.admin('/v1/authorities')).body as { items: { kind: string; state: string }[] }
    expect(items.filter(({ kind }) => kind === 'ocsp')).toMatchObject([{ state: 'active' }])
  })
})
