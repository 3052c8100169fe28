import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '#kernel/bytes.ts'
import { instant, type Instant } from '#kernel/instant.ts'
import { JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import {
  createCsr,
  DEFAULT_CERTIFICATE_LIMITS,
  fromPem,
  parseCertificate,
  toPem,
  type WritAttestation,
} from '#x509/index.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { rawDpop, rawWpt, type RawProof } from '../support/dpop.ts'
import { newTestKey } from '../support/keys.ts'
import { storePassword } from '../support/store-password.ts'
import { BILLING, TestHouse, type Ask, type Enrolled, type Reply } from '../support/server.ts'

const PUBLIC = 'https://id.example.org'
const OID = '1.3.6.1.4.1.32473.7483.99'

/** Two servers on one PostgreSQL; no request below comes over a connection with a client certificate. */
let database: TestDatabase
let one: TestHouse
let two: TestHouse
let bot: Enrolled

beforeAll(async () => {
  database = await createDatabase('postgresql', '')
  const { passwordFile } = storePassword()
  const password = passwordFile === undefined ? {} : { password_file: passwordFile }
  const url = new URL(database.url)
  url.password = ''
  one = await TestHouse.start({ database: { url: url.href, ...password }, attestation_oid: OID })
  two = await one.replica(2)
  await one.register('invoice-bot')
  bot = await one.enroll('invoice-bot', { wit: true })
}, 60_000)
afterAll(async () => {
  await two.stop()
  await one.stop()
  await database.drop()
})

const now = (): Instant => instant(Date.now())

function witOf({ svid }: Enrolled): string {
  return String(svid.wit_svid)
}

function extensionOf({ svid }: Enrolled): WritAttestation {
  const der = fromPem('CERTIFICATE', svid.certificate)
  const { extensions } = parseCertificate(der, { ...DEFAULT_CERTIFICATE_LIMITS, attestationOid: OID })
  const found = extensions.find((extension) => extension.kind === 'writAttestation')
  if (found === undefined) throw new TypeError('the certificate has no attestation')
  return found
}

function signed(path: string, who: Enrolled = bot): Record<string, string> {
  const wit = witOf(who)
  const proof = rawWpt({ wit, uri: PUBLIC + path, now: now() }, { key: who.key })
  return { 'workload-identity-token': wit, 'workload-proof-token': proof }
}

function ask(house: TestHouse, path: string, sent: Ask = {}, who: Enrolled = bot): Promise<Reply> {
  return house.ask(path, { ...sent, headers: { ...signed(path, who), ...sent.headers } })
}

function dpop(nonce: string | undefined, { claims = {}, ...change }: RawProof = {}): string {
  const request = { method: 'POST', uri: `${PUBLIC}/oauth2/token`, now: now() }
  return rawDpop(request, { key: bot.key, ...change, claims: { nonce, ...claims } })
}

async function startForm(house: TestHouse): Promise<Record<string, string>> {
  const jwt = await ask(house, '/v1/jwt-svid', { json: { audience: [PUBLIC] } })
  const authority = [{ type: 'task', resource: BILLING, actions: ['read'] }]
  const task = await ask(house, '/v1/tasks', { json: { authority, expires_in: 600 } })
  return {
    grant_type: TOKEN_EXCHANGE_GRANT,
    client_id: bot.svid.spiffe_id,
    subject_token: String(jwt.body['token']),
    subject_token_type: JWT_TYPE,
    resource: BILLING,
    task_id: String(task.body['id']),
  }
}

async function nonceOf(house: TestHouse): Promise<string> {
  const headers = { dpop: dpop(undefined) }
  const reply = await ask(house, '/oauth2/token', { form: await startForm(house), headers })
  expect(reply.body).toMatchObject({ error: 'use_dpop_nonce', error_code: 'DPOP_NONCE_REQUIRED' })
  return String(reply.headers['dpop-nonce'])
}

describe('a caller that signs its requests, on two servers', () => {
  it('SP-4 does with signatures alone whatever it could over mTLS', async () => {
    const form = await startForm(one)
    const headers = { dpop: dpop(await nonceOf(one)) }
    const token = await ask(one, '/oauth2/token', { form, headers })
    expect(token).toMatchObject({ status: 200, body: { token_type: 'DPoP' } })
    const text = String(token.body['access_token'])
    const { cnf, attestation } = decodeJwt(text)
    expect(cnf).toEqual({ jkt: bot.key.kid })
    const evidence = `sha-256:${toHex(extensionOf(bot).evidenceDigest)}`
    const expected = { key_class: 'software', key_class_source: 'declared', attestor: 'join_token', evidence }
    expect(attestation).toMatchObject(expected)
    const alive = await ask(two, '/oauth2/introspect', { form: { token: text } })
    expect(alive.body).toMatchObject({
      active: true,
      token_type: 'DPoP',
      cnf: { jkt: bot.key.kid },
      attestation: expected,
    })
    expect((await ask(two, '/oauth2/revoke', { form: { token: text } })).status).toBe(200)
    expect((await ask(one, '/oauth2/introspect', { form: { token: text } })).body).toEqual({ active: false })
  })

  it('renews into another key, and its old identity token goes on until it ends', async () => {
    const key = newTestKey()
    const csr = toPem('CERTIFICATE REQUEST', await createCsr(key.signer))
    const renewed = await ask(two, '/v1/renew', { json: { csr, wit: true } })
    expect(renewed.status).toBe(200)
    const next: Enrolled = { ...bot, key, svid: renewed.body as unknown as Enrolled['svid'] }
    expect((await ask(one, '/v1/jwt-svid', { json: { audience: [PUBLIC] } }, next)).status).toBe(200)
    expect((await ask(one, '/v1/jwt-svid', { json: { audience: [PUBLIC] } })).status).toBe(200)
  })

  it('DP-3 a nonce of one server is taken by the other', async () => {
    const nonce = await nonceOf(one)
    const reply = await ask(two, '/oauth2/token', { form: await startForm(two), headers: { dpop: dpop(nonce) } })
    expect(reply.status).toBe(200)
    expect(String(reply.headers['dpop-nonce'])).not.toBe('undefined')
  })

  it('DP-4 of twenty exchanges at both servers at once with one DPoP proof one gets a token', async () => {
    const headers = { dpop: dpop(await nonceOf(one)) }
    const forms = await Promise.all(Array.from({ length: 20 }, (_, index) => startForm(index % 2 === 0 ? one : two)))
    const replies = await Promise.all(
      forms.map((form, index) => ask(index % 2 === 0 ? one : two, '/oauth2/token', { form, headers })),
    )
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
    const replayed = { error: 'invalid_dpop_proof', error_code: 'DPOP_PROOF_REPLAYED' }
    for (const { body } of replies.filter(({ status }) => status !== 200)) expect(body).toMatchObject(replayed)
  })

  it('DP-4 WI-3 of twenty requests at both servers at once with one workload proof one comes in', async () => {
    const headers = signed('/v1/jwt-svid')
    const json = { audience: [PUBLIC] }
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? one : two).ask('/v1/jwt-svid', { json, headers })),
    )
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
    const codes = replies.filter(({ status }) => status !== 200).map(({ body }) => body['code'])
    expect(new Set(codes)).toEqual(new Set(['WPT_REPLAYED']))
  })

  it('DP-1 WI-3 a proof for another URL or method is refused', async () => {
    const elsewhere = { headers: signed('/v1/renew'), json: { audience: [PUBLIC] } }
    expect((await one.ask('/v1/jwt-svid', elsewhere)).body['code']).toBe('WPT_AUDIENCE_WRONG')
    const form = await startForm(one)
    const nonce = await nonceOf(one)
    for (const [claims, code] of [
      [{ htm: 'GET' }, 'DPOP_METHOD_WRONG'],
      [{ htu: `${PUBLIC}/oauth2/introspect` }, 'DPOP_URI_WRONG'],
    ] as const) {
      const reply = await ask(one, '/oauth2/token', { form, headers: { dpop: dpop(nonce, { claims }) } })
      expect(reply).toMatchObject({ status: 400, body: { error: 'invalid_dpop_proof', error_code: code } })
    }
  })

  it('WI-1 WI-4 an identity token in the Authorization header, or without proof, is answered 400', async () => {
    const wit = witOf(bot)
    const json = { audience: [PUBLIC] }
    const bearer = await one.ask('/v1/jwt-svid', { json, headers: { authorization: `Bearer ${wit}` } })
    expect(bearer).toMatchObject({ status: 400, body: { code: 'WIT_IN_AUTHORIZATION' } })
    const bare = await one.ask('/v1/jwt-svid', { json, headers: { 'workload-identity-token': wit } })
    expect(bare).toMatchObject({ status: 400, body: { code: 'WORKLOAD_PROOF_MISSING' } })
    const oauth = await one.ask('/oauth2/introspect', {
      form: { token: 'x' },
      headers: { 'workload-identity-token': wit },
    })
    expect(oauth).toMatchObject({ status: 400, body: { error: 'invalid_client' } })
  })

  it('WI-5 headers never override the certificate of the connection', async () => {
    const other = await one.enroll('invoice-bot', { wit: true })
    const json = { audience: [PUBLIC] }
    const mixed = await ask(one, '/v1/jwt-svid', { json, as: other.identity })
    expect(mixed).toMatchObject({ status: 400, body: { code: 'CREDENTIALS_DIFFER' } })
    expect((await ask(one, '/v1/jwt-svid', { json, as: bot.identity })).status).toBe(200)
  })

  it("SP-2 the client_id is the SPIFFE ID of the caller, and nobody else's", async () => {
    const form = { ...(await startForm(one)), client_id: 'spiffe://example.org/agent/invoice-bot/i-other' }
    const reply = await ask(one, '/oauth2/token', { form })
    expect(reply).toMatchObject({ status: 401, body: { error: 'invalid_client', error_code: 'CLIENT_ID_MISMATCH' } })
  })

  it.each(['jwt-spiffe', 'jwt-bearer'])('SP-1 SP-5 no token of ours is a client assertion, as %s', async (type) => {
    const form = await startForm(one)
    const assertion = {
      client_assertion_type: `urn:ietf:params:oauth:client-assertion-type:${type}`,
      client_assertion: form['subject_token'] ?? '',
    }
    const alone = await one.ask('/oauth2/token', { form: { ...form, ...assertion } })
    expect(alone).toMatchObject({ status: 401, body: { error_code: 'AUTHENTICATION_REQUIRED' } })
    const refused = { status: 401, body: { error: 'invalid_client', error_code: 'CLIENT_ASSERTION_UNSUPPORTED' } }
    const beside = { form: { ...form, ...assertion }, headers: { dpop: dpop(await nonceOf(one)) } }
    expect(await ask(one, '/oauth2/token', beside)).toMatchObject(refused)
    for (const path of ['/oauth2/introspect', '/oauth2/revoke']) {
      const token = form['subject_token'] ?? ''
      expect(await ask(one, path, { form: { token, ...assertion } })).toMatchObject(refused)
    }
  })

  it('SP-1 a client assertion is not passed over where half of it is there, or it is of another kind', async () => {
    const form = await startForm(one)
    const code = 'CLIENT_ASSERTION_UNSUPPORTED'
    for (const half of [{ client_assertion_type: 'x' }, { client_assertion: witOf(bot) }]) {
      const reply = await ask(one, '/oauth2/token', { form: { ...form, ...half } })
      expect(reply).toMatchObject({ status: 401, body: { error_code: code } })
    }
  })

  it('the configured OID is that of the private extension', () => {
    expect(extensionOf(bot)).toMatchObject({ keyClass: 'software' })
  })

  it('promise 3 once its agent is retired at one server, its identity token is worth nothing at the other', async () => {
    await one.admin('/v1/agents', {
      json: { name: 'short-lived', owner: 'finance', permissions: [{ audience: BILLING, actions: ['read'] }] },
    })
    const doomed = await one.enroll('short-lived', { wit: true })
    const json = { audience: [PUBLIC] }
    expect((await ask(two, '/v1/jwt-svid', { json }, doomed)).status).toBe(200)
    expect((await one.admin('/v1/agents/short-lived/retire', { json: {} })).status).toBe(200)
    const after = await ask(two, '/v1/jwt-svid', { json }, doomed)
    expect(after).toMatchObject({ status: 400, body: { code: 'WIT_REVOKED' } })
  })
})
