import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toPem, createCsr } from '#x509/index.ts'
import { ACCESS_TOKEN_TYPE, JWT_TYPE, taskView, tokenAnswer, svidAnswer, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { newTestKey } from '../support/keys.ts'
import { BILLING, identityOf, TestHouse, type ClientIdentity, type Enrolled } from '../support/server.ts'

describe('a whole server', () => {
  let house: TestHouse
  let bot: Enrolled

  beforeAll(async () => {
    house = await TestHouse.start()
    await house.register('invoice-bot')
    bot = await house.enroll('invoice-bot')
  })
  afterAll(() => house.stop())

  async function startToken(as: ClientIdentity, spiffeId: string): Promise<Record<string, unknown>> {
    const jwt = await house.ask('/v1/jwt-svid', { as, json: { audience: ['https://id.example.org'] } })
    const authority = [{ type: 'task', resource: BILLING, actions: ['read'] }]
    const task = await house.ask('/v1/tasks', { as, json: { authority, expires_in: 600 } })
    expect([jwt.status, task.status]).toEqual([200, 201])
    expect(taskView.strict().parse(task.body)).toEqual(task.body)
    const exchanged = await house.ask('/oauth2/token', {
      as,
      form: {
        grant_type: TOKEN_EXCHANGE_GRANT,
        client_id: spiffeId,
        subject_token: String(jwt.body['token']),
        subject_token_type: JWT_TYPE,
        task_id: String(task.body['id']),
        resource: BILLING,
      },
    })
    expect(exchanged.body).toMatchObject({ issued_token_type: ACCESS_TOKEN_TYPE, token_type: 'Bearer' })
    expect(tokenAnswer.strict().parse(exchanged.body)).toEqual(exchanged.body)
    return exchanged.body
  }

  it('knows an enrolled instance by its certificate, and an admin by the socket', async () => {
    expect((await house.ask('/v1/whoami', { as: bot.identity })).body).toMatchObject({
      kind: 'agent',
      name: bot.svid.spiffe_id,
      agent: 'invoice-bot',
    })
    expect((await house.ask('/v1/whoami')).body).toMatchObject({ kind: 'anonymous' })
    expect((await house.admin('/v1/whoami')).body).toMatchObject({ kind: 'local', roles: ['admin'] })
  })

  it('MT-6 takes no certificate from a header, whoever sends it', async () => {
    const certificate = bot.svid.certificate.replaceAll(/-----[A-Z ]+-----|\s/g, '')
    const headers = {
      'x-forwarded-client-cert': `Cert="${encodeURIComponent(bot.svid.certificate)}"`,
      'client-cert': `:${certificate}:`,
      'x-ssl-client-cert': encodeURIComponent(bot.svid.certificate),
    }
    expect((await house.ask('/v1/whoami', { headers })).body).toMatchObject({ kind: 'anonymous' })
  })

  it('answers an enrollment exactly as the wire says', () => {
    expect(svidAnswer.strict().parse(bot.svid)).toEqual(bot.svid)
  })

  it('renews on the connection of the certificate that is renewed', async () => {
    const other = await house.enroll('invoice-bot')
    const key = newTestKey()
    const csr = toPem('CERTIFICATE REQUEST', await createCsr(key.signer))
    const renewed = await house.ask('/v1/renew', { as: other.identity, json: { csr } })
    expect(renewed).toMatchObject({ status: 200, body: { spiffe_id: other.svid.spiffe_id } })
    const identity = identityOf(key, String(renewed.body['certificate']))
    expect((await house.ask('/v1/whoami', { as: identity })).body).toMatchObject({ name: other.svid.spiffe_id })
  })

  it('exchanges, introspects and kills a task token', async () => {
    const { access_token: token, task_id: task } = await startToken(bot.identity, bot.svid.spiffe_id)
    const look = () => house.ask('/oauth2/introspect', { as: bot.identity, form: { token: String(token) } })
    expect((await look()).body).toMatchObject({
      active: true,
      aud: BILLING,
      cnf: { 'x5t#S256': expect.any(String) as string },
    })
    const done = await house.ask(`/v1/tasks/${String(task)}/complete`, { as: bot.identity, method: 'POST' })
    expect(done).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect((await look()).body).toEqual({ active: false })
  })

  it('IN-2 signs the answer for whoever accepts nothing else', async () => {
    const accept = 'application/token-introspection+jwt'
    const form = { token: 'unknown' }
    const reply = await house.ask('/oauth2/introspect', { as: bot.identity, form, headers: { accept } })
    expect(reply).toMatchObject({ status: 200, headers: { 'content-type': accept } })
    const [header, claims] = String(reply.body['text'])
      .split('.')
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>)
    expect(header?.['typ']).toBe('token-introspection+jwt')
    expect(claims).toMatchObject({ aud: bot.svid.spiffe_id, token_introspection: { active: false } })
    const keys = (await house.ask('/oauth2/jwks')).body['keys'] as { readonly kid: string }[]
    expect(keys.map(({ kid }) => kid)).toContain(header?.['kid'])
    expect((await house.ask('/oauth2/introspect', { form, headers: { accept } })).status).toBe(401)
  })

  it('RV-1 revokes a token, and says nothing about one that it does not know', async () => {
    const { access_token: token } = await startToken(bot.identity, bot.svid.spiffe_id)
    const revoke = (what: string) => house.ask('/oauth2/revoke', { as: bot.identity, form: { token: what } })
    expect([(await revoke('unknown')).status, (await revoke(String(token))).status]).toEqual([200, 200])
    const look = await house.ask('/oauth2/introspect', { as: bot.identity, form: { token: String(token) } })
    expect(look.body).toEqual({ active: false })
  })

  it('TE-5 calls a subject token that is none an invalid request', async () => {
    const reply = await house.ask('/oauth2/token', {
      as: bot.identity,
      form: {
        grant_type: TOKEN_EXCHANGE_GRANT,
        client_id: bot.svid.spiffe_id,
        subject_token: 'none',
        subject_token_type: JWT_TYPE,
        resource: BILLING,
      },
    })
    expect(reply).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  })

  it.each([
    ['unsupported_grant_type', { grant_type: 'password' }],
    ['invalid_client', { client_id: 'spiffe://example.org/agent/other' }],
    ['invalid_request', { subject_token: '' }],
    ['invalid_target', { resource: '' }],
    ['invalid_target', { resource: 'https://unknown.example.org' }],
    ['invalid_authorization_details', { authorization_details: '[{"type":"payment"}]' }],
    ['invalid_scope', { scope: 'pay\\' }],
  ])('answers %s to %j', async (error, change) => {
    const form = {
      grant_type: TOKEN_EXCHANGE_GRANT,
      client_id: bot.svid.spiffe_id,
      subject_token: 'x',
      subject_token_type: JWT_TYPE,
      resource: BILLING,
      ...change,
    }
    const reply = await house.ask('/oauth2/token', { as: bot.identity, form })
    expect(reply.body['error']).toBe(error)
    expect(reply.status).toBe(error === 'invalid_client' ? 401 : 400)
    expect(reply.headers['cache-control']).toBe('no-store')
  })

  it('redeems a join token once, however many ask at once', async () => {
    const token = await house.joinToken('invoice-bot')
    const csrs = await Promise.all(
      Array.from({ length: 20 }, async () => toPem('CERTIFICATE REQUEST', await createCsr(newTestKey().signer))),
    )
    const replies = await Promise.all(
      csrs.map((csr) => house.ask('/v1/enroll', { json: { attestor: 'join_token', evidence: { token }, csr } })),
    )
    const statuses = replies.map(({ status }) => status).sort()
    expect(statuses.filter((status) => status === 201)).toHaveLength(1)
    expect(new Set(statuses)).toEqual(new Set([201, 403]))
  })

  it('answers 100 identical requests at once with one certificate', async () => {
    const token = await house.joinToken('invoice-bot')
    const csr = toPem('CERTIFICATE REQUEST', await createCsr(newTestKey().signer))
    const json = { attestor: 'join_token', evidence: { token }, csr }
    const replies = await Promise.all(Array.from({ length: 100 }, () => house.ask('/v1/enroll', { json })))
    const made = replies.filter(({ status }) => status === 201)
    expect(made.length).toBeGreaterThan(0)
    expect(new Set(made.map(({ body }) => body['serial'])).size).toBe(1)
    const others = replies.filter(({ status }) => status !== 201)
    expect(others.filter(({ body }) => body['code'] !== 'ISSUANCE_IN_PROGRESS')).toEqual([])
    const again = await house.ask('/v1/enroll', { json })
    expect(again).toMatchObject({ status: 201, body: { serial: made[0]?.body['serial'] } })
  })

  it('lists page by page, and refuses a cursor that it did not give', async () => {
    await Promise.all([house.enroll('invoice-bot'), house.enroll('invoice-bot')])
    const first = await house.admin('/v1/instances?limit=1')
    expect(first.body['items']).toHaveLength(1)
    const second = await house.admin(`/v1/instances?limit=1&after=${String(first.body['next'])}`)
    expect(second.body['items']).toHaveLength(1)
    expect(second.body['items']).not.toEqual(first.body['items'])
    expect(await house.admin('/v1/instances?after=***')).toMatchObject({ status: 400 })
  })

  it('keeps agents out of administration, and writes down that they tried', async () => {
    const reply = await house.ask('/v1/agents', { as: bot.identity, json: { name: 'x', owner: 'y' } })
    expect(reply).toMatchObject({ status: 403, body: { code: 'ROLE_REQUIRED' } })
  })

  it('serves what others verify with, cachable', async () => {
    const bundle = await house.ask('/bundle')
    expect(bundle.headers['cache-control']).toContain('max-age')
    expect(bundle.headers['content-type']).toBe('application/json')
    const keys = await Promise.all(['/oauth2/jwks', '/spiffe/jwks'].map((path) => house.ask(path)))
    const kids = keys.map(({ body }) => JSON.stringify(body))
    expect(kids[0]).not.toBe(kids[1])
    const metadata = await house.ask('/.well-known/oauth-authorization-server')
    expect(metadata.body).toMatchObject({
      issuer: 'https://id.example.org',
      tls_client_certificate_bound_access_tokens: true,
    })
  })

  it('serves the certificates of authorities as DER over plain HTTP, and nothing else there', async () => {
    const list = await house.admin('/v1/authorities')
    const x509 = (list.body['items'] as { id: string; kind: string }[]).find(({ kind }) => kind === 'x509')
    const status = house.server.addresses['status'] ?? ''
    const response = await fetch(`${status}/ca/${x509?.id ?? ''}.cer`)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/pkix-cert'])
    expect((await response.bytes())[0]).toBe(0x30)
    for (const path of ['/ca/unknown.cer', '/v1/whoami', '/metrics'])
      expect((await fetch(status + path)).status).toBe(404)
  })

  it('says how it is', async () => {
    const health = house.server.addresses['health'] ?? ''
    for (const path of ['/livez', '/readyz', '/readyz/issuance']) {
      expect(await (await fetch(health + path)).text()).toBe('ok\n')
    }
    const metrics = await (await fetch(`${health}/metrics`)).text()
    expect(metrics).toContain('writ_http_request_duration_seconds_bucket')
    expect(metrics).toContain('writ_server_certificate_expiry_seconds')
    expect(metrics).not.toContain(bot.svid.instance)
  })

  it('logs no token, key, certificate request or query', async () => {
    const token = await house.joinToken('invoice-bot')
    await house.ask(`/v1/whoami?token=${token}`)
    await house.ask(`/${token}`)
    await house.ask('/v1/enroll', { json: { attestor: 'join_token', evidence: { token }, csr: token } })
    const { access_token: access } = await startToken(bot.identity, bot.svid.spiffe_id)
    const text = house.logged.join('')
    expect(text).toContain('"event":"request"')
    for (const secret of [token, String(access), 'wjt_', 'eyJ', 'PRIVATE KEY', 'CERTIFICATE REQUEST']) {
      expect(text).not.toContain(secret)
    }
  })
})
