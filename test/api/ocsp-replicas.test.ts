import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CertStatus } from '#x509/index.ts'
import { encodeOcspRequest, fromPem, IssuerNames, parseCertificate, type Certificate } from '#x509/index.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { answerIn } from '../support/ocsp.ts'
import { TestHouse } from '../support/server.ts'
import { storePassword } from '../support/store-password.ts'

const PATIENCE = { timeout: 60_000 }
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
    // With nothing in reserve: one authority, and its one responder.
    house = await TestHouse.start({ database: { url: url.href, ...password }, authorities: { standby: false } })
    replica = await house.replica(2)
    await house.register('bot')
    const { items } = (await house.admin('/v1/authorities')).body as { items: { kind: string; certificate: string }[] }
    const pem = items.find(({ kind }) => kind === 'x509')?.certificate ?? ''
    issuer = parseCertificate(fromPem('CERTIFICATE', pem))
  }, 120_000)
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

  /** How many were asked about, how many answers `revoked` were signed, and how many questions could not be answered. */
  async function counts(): Promise<readonly number[]> {
    const text = await (await fetch(`${house.server.addresses['health'] ?? ''}/metrics`)).text()
    const asked = /^writ_ocsp_certificates_asked_total\{hash="sha256"\} (\d+)$/m
    const revoked = /^writ_ocsp_answers_total\{status="revoked",from="signed"\} (\d+)$/m
    return [asked, revoked, /^writ_ocsp_failures_total (\d+)$/m].map((line) => Number(line.exec(text)?.[1] ?? 0))
  }

  it('O14 both say revoked within a second of the revocation, also where they said good before, and count it', async () => {
    // The responder is there a moment after the start, and each of them has heard of it.
    for (const at of [house, replica]) {
      await expect.poll(() => ask(at, Uint8Array.of(1)), PATIENCE).toEqual({ kind: 'unknown' })
    }
    const before = await counts()
    const took: number[] = []
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
      took.push(performance.now() - revoked)
    }
    // On a machine that has other things to do as well, some of them may take longer.
    expect(Math.min(...took)).toBeLessThan(1000)
    const after = await counts()
    expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([20, 10, 0])
  }, 120_000)

  it('show their one responder among the authorities', async () => {
    const { items } = (await replica.admin('/v1/authorities')).body as { items: { kind: string; state: string }[] }
    expect(items.filter(({ kind }) => kind === 'ocsp')).toMatchObject([{ state: 'active' }])
  })
})
