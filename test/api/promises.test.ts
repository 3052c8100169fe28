import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROUTES } from '#api/http/index.ts'
import { JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { createCsr, toPem } from '#x509/index.ts'
import { FakeRandom } from '../fakes/random.ts'
import { newTestKey } from '../support/keys.ts'
import { BILLING, identityOf, TestHouse, type ClientIdentity } from '../support/server.ts'

let house: TestHouse
/** All that nobody may find again, by what it is. */
const secrets = new Map<string, string>()
const replies: string[] = []

const PEM_BODY = /-----BEGIN [A-Z ]+-----\n(.{60})/

function privatePart(identity: ClientIdentity): string {
  return PEM_BODY.exec(identity.key)?.[1] ?? ''
}

/** The whole line once, with every secret on the way, and every way to fail with a secret in hand. */
beforeAll(async () => {
  // No limit on requests may stand before what is tested here.
  const unlimited = () => ({ rate: 1e6, burst: 1e6 })
  // Nothing is made in the background that would be taken for the trace of a bad request.
  house = await TestHouse.start({
    authorities: { standby: false },
    limits: { address: unlimited(), identity: unlimited() },
  })
  await house.register('invoice-bot')
  const spare = await house.joinToken('invoice-bot')
  const key = newTestKey()
  const csr = toPem('CERTIFICATE REQUEST', await createCsr(key.signer))
  const token = await house.joinToken('invoice-bot')
  const join = { attestor: 'join_token', evidence: { token }, csr }
  const enrolled = await house.ask('/v1/enroll', { json: join })
  const as = identityOf(key, String(enrolled.body['certificate']))
  const jwt = await house.ask('/v1/jwt-svid', { as, json: { audience: ['https://id.example.org'] } })
  const authority = [{ type: 'task', resource: BILLING, actions: ['read'] }]
  const task = await house.ask('/v1/tasks', { as, json: { authority, expires_in: 600 } })
  const form = {
    grant_type: TOKEN_EXCHANGE_GRANT,
    client_id: String(enrolled.body['spiffe_id']),
    subject_token: String(jwt.body['token']),
    subject_token_type: JWT_TYPE,
    task_id: String(task.body['id']),
    resource: BILLING,
  }
  const exchanged = await house.ask('/oauth2/token', { as, form })
  expect([enrolled.status, jwt.status, task.status, exchanged.status]).toEqual([201, 200, 201, 200])
  secrets.set('join token', token.split('.')[0] ?? '')
  secrets.set('unused join token', spare.split('.')[0] ?? '')
  secrets.set('private key of the agent', privatePart(as))
  for (const [what, jws] of [
    ['JWT-SVID', jwt.body['token']],
    ['task token', exchanged.body['access_token']],
  ] as const) {
    secrets.set(`signature of the ${what}`, String(jws).split('.')[2] ?? '')
  }
  const fail = async (path: string, ask: Parameters<TestHouse['ask']>[1]) => {
    const reply = await house.ask(path, ask)
    expect(reply.status).toBeGreaterThanOrEqual(400)
    replies.push(JSON.stringify([reply.headers, reply.body]))
  }
  await fail('/v1/enroll', { json: { ...join, csr: 'AAAA' } })
  await fail('/v1/enroll', { json: { ...join, evidence: { token: spare, also: spare } } })
  await fail(`/v1/enroll?token=${spare}`, { json: join })
  await fail(`/v1/${spare}`, {})
  await fail('/oauth2/token', { as, form })
  await fail('/oauth2/token', { as, form: { ...form, subject_token: String(exchanged.body['access_token']) } })
  await fail('/oauth2/token', { as, form: { ...form, scope: String(exchanged.body['access_token']) } })
}, 60_000)
afterAll(() => house.stop())

/** Every file of the data folder with its octets as text. */
function filesOf(folder: string): readonly (readonly [path: string, text: string])[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => [path, readFileSync(path, 'latin1')] as const)
}

describe('promise 7: keys do not leave', () => {
  it('the private key of an agent is nowhere at the server, and neither is any key of ours but in its own file', () => {
    const files = filesOf(house.data)
    const keys = files.filter(([path]) => path.endsWith('.pem'))
    expect(keys.length).toBeGreaterThanOrEqual(3)
    const bodies = keys.map(([, text]) => PEM_BODY.exec(text)?.[1] ?? '')
    for (const body of bodies) {
      expect(body.length).toBe(60)
      expect(files.filter(([, text]) => text.includes(body)).length).toBe(1)
    }
    const own = secrets.get('private key of the agent') ?? ''
    expect(own.length).toBe(60)
    expect(files.filter(([, text]) => text.includes(own))).toEqual([])
  })

  it('the files of our keys are for their owner only, and so is everything above them', () => {
    for (const path of filesOf(house.data)
      .map(([file]) => file)
      .filter((file) => file.endsWith('.pem'))) {
      expect(statSync(path).mode & 0o077, path).toBe(0)
      expect(statSync(join(path, '..')).mode & 0o077, path).toBe(0)
    }
    expect(statSync(house.data).mode & 0o077).toBe(0)
  })

  it('no answer of any route has a member for a private key', async () => {
    const paths = ['/oauth2/jwks', '/spiffe/jwks', '/bundle', '/v1/authorities', '/v1/certificates', '/v1/instances']
    for (const path of paths) {
      const { body } = await house.admin(path)
      expect(JSON.stringify(body)).not.toMatch(/"(?:d|p|q|dp|dq|qi|k|key_reference)":|PRIVATE KEY/)
    }
  })
})

describe('promise 11: no secret', () => {
  it('is in a line of the log, though every request was logged', () => {
    expect(house.logged.length).toBeGreaterThan(10)
    const logged = house.logged.join('\n')
    for (const [what, secret] of secrets) expect(logged.includes(secret), what).toBe(false)
  })

  it('is in an answer that refuses', () => {
    expect(replies.length).toBe(7)
    for (const [what, secret] of secrets) expect(replies.join('\n').includes(secret), what).toBe(false)
  })

  it('is in the audit log, or anywhere in the store', async () => {
    // Leaves can be read once they have their positions, a moment later.
    const read = async (): Promise<string> => JSON.stringify((await house.admin('/v1/audit/leaves?limit=1000')).body)
    await expect.poll(read).toContain('certificate.issued')
    const leaves = await read()
    const files = filesOf(house.data)
    for (const [what, secret] of secrets) {
      expect(secret.length, what).toBeGreaterThan(20)
      expect(leaves.includes(secret), what).toBe(false)
      expect(
        files.filter(([, text]) => text.includes(secret)).map(([path]) => path),
        what,
      ).toEqual([])
    }
  })

  it('is in an argument or the environment of the process', () => {
    const process_ = ['cmdline', 'environ'].map((name) => readFileSync(`/proc/self/${name}`, 'latin1')).join('\n')
    for (const [what, secret] of secrets) expect(process_.includes(secret), what).toBe(false)
  })
})

describe('promise 10: bad input is cheap and boring', () => {
  const PATIENCE = { timeout: 30_000 }
  const random = new FakeRandom('bad input')
  const bodies: readonly string[] = [
    '',
    '{',
    'null',
    '[]',
    '"x"',
    '{"a":1,"a":2}',
    '['.repeat(5_000),
    `{"csr":"${'A'.repeat(60_000)}"}`,
    'a=1&a=2',
    '%zz',
    ...Array.from({ length: 4 }, () => Buffer.from(random.bytes(64)).toString('latin1')),
  ]

  it.each(['over TLS, anonymous', 'over the admin socket'])(
    'every route answers any body with a typed refusal, %s',
    async (where) => {
      const connect = where.startsWith('over TLS')
        ? { rejectUnauthorized: false }
        : { socketPath: join(house.data, 'admin.sock') }
      const dispatcher = new Agent({ connect })
      const origin = where.startsWith('over TLS') ? `https://127.0.0.1:${String(house.port)}` : 'http://localhost'
      await expect.poll(async () => JSON.stringify(await inventory()), PATIENCE).toContain('"kind":"ocsp"')
      const before = JSON.stringify(await inventory())
      const began = performance.now()
      const codes = new Map<string, number>()
      const routes = ROUTES.filter(({ method, surface }) => method === 'POST' && surface === 'api')
      for (const { path } of routes) {
        for (const body of bodies) {
          for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain']) {
            const url = origin + path.replaceAll(/[:{][a-z_]+\}?/g, 'x')
            const { status, code } = await send(url, { type, body, dispatcher })
            expect(Math.floor(status / 100), `${path} ${type} ${body.slice(0, 20)} ${code}`).toBe(4)
            codes.set(code, (codes.get(code) ?? 0) + 1)
          }
        }
      }
      const sent = [...codes.values()].reduce((sum, count) => sum + count, 0)
      expect(sent).toBe(routes.length * bodies.length * 3)
      expect((performance.now() - began) / sent).toBeLessThan(100)
      expect([...codes.keys()].filter((code) => !/^[A-Z][A-Z0-9_]+$/.test(code) || code === 'RATE_LIMITED')).toEqual([])
      expect([...codes.keys()]).toContain('MEDIA_TYPE_UNSUPPORTED')
      expect(JSON.stringify(await inventory())).toBe(before)
      await dispatcher.close()
    },
    180_000,
  )

  async function inventory(): Promise<unknown> {
    const lists = ['agents', 'resources', 'join-tokens', 'principals', 'instances', 'certificates', 'authorities']
    return Promise.all(lists.map(async (list) => (await house.admin(`/v1/${list}`)).body))
  }

  async function send(url: string, what: { type: string; body: string; dispatcher: Agent }) {
    const { type, body, dispatcher } = what
    const reply = await request(url, { method: 'POST', headers: { 'content-type': type }, body, dispatcher })
    const answer = JSON.parse(await reply.body.text()) as { code?: string; error_code?: string }
    return { status: reply.statusCode, code: answer.code ?? answer.error_code ?? '' }
  }
})
