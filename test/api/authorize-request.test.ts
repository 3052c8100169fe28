import { createHash } from 'node:crypto'
import { request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { instant } from '#kernel/instant.ts'
import { JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { countedAs, denialsIn } from '../support/denials.ts'
import { hashOf, rawDpop } from '../support/dpop.ts'
import { newTestKey } from '../support/keys.ts'
import { TestHouse, type ClientIdentity, type Enrolled, type Reply } from '../support/server.ts'

const PUBLIC = 'https://id.example.org'
const AUDIENCE = 'https://billing.example.org'
const URL = 'https://shop.example.org'
const OTHER = 'https://other.example.org'

let house: TestHouse
let bot: Enrolled
let proxy: Enrolled
const key = newTestKey()

type Headers = Readonly<Record<string, string | string[]>>

/** As a proxy sends it: any method, doubled headers where a test doubles them. */
async function send(
  method: string,
  path: string,
  headers: Headers,
  as: ClientIdentity = proxy.identity,
): Promise<Reply> {
  const options = { host: '127.0.0.1', port: house.port, servername: 'localhost', rejectUnauthorized: false }
  const call = httpsRequest({ ...options, ...as, agent: false, method, path, headers })
  call.end()
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
  return { status: response.statusCode ?? 0, headers: response.headers, body }
}

const codeOf = ({ status, body }: Reply): string => (status === 200 ? 'ACCEPTED' : String(body['error_code']))
const pem = (who: Enrolled = bot): string => encodeURIComponent(who.svid.certificate)
const nginx = (more: Headers = {}): Headers => ({
  'x-original-method': 'GET',
  'x-original-uri': '/invoices/17?page=2',
  'ssl-client-cert': pem(),
  ...more,
})
const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` })

interface Order {
  readonly who?: Enrolled
  readonly dpop?: boolean
  readonly actions?: readonly string[]
  readonly identifiers?: readonly string[]
  readonly constraints?: Readonly<Record<string, number>>
  readonly resource?: string
}

type Started = Readonly<Record<'token' | 'task', string>>

async function start(order: Order = {}): Promise<Started> {
  const { who = bot, actions = ['read'], identifiers, constraints, resource = AUDIENCE } = order
  const as = who.identity
  const jwt = await house.ask('/v1/jwt-svid', { as, json: { audience: [PUBLIC] } })
  const limits = { ...(identifiers === undefined ? {} : { identifiers }), ...(constraints && { constraints }) }
  const authority = [{ type: 'task', resource, actions, ...limits }]
  const task = await house.ask('/v1/tasks', { as, json: { authority, expires_in: 600 } })
  const form = {
    grant_type: TOKEN_EXCHANGE_GRANT,
    client_id: who.svid.spiffe_id,
    subject_token: String(jwt.body['token']),
    subject_token_type: JWT_TYPE,
    resource,
    task_id: String(task.body['id']),
  }
  const exchange = async (nonce?: string): Promise<Reply> => {
    const request = { method: 'POST', uri: `${PUBLIC}/oauth2/token`, now: instant(Date.now()) }
    const headers = order.dpop === true ? { dpop: rawDpop(request, { key, claims: { nonce } }) } : {}
    return house.ask('/oauth2/token', { as, form, headers })
  }
  let reply = await exchange()
  if (reply.headers['dpop-nonce'] !== undefined && reply.status !== 200) {
    reply = await exchange(String(reply.headers['dpop-nonce']))
  }
  if (reply.status !== 200) throw new TypeError(`no token: ${JSON.stringify(reply.body)}`)
  return { token: String(reply.body['access_token']), task: String(task.body['id']) }
}

const proof = (token: string, htu: string, htm = 'GET'): string =>
  rawDpop({ method: htm, uri: htu, now: instant(Date.now()) }, { key, claims: { ath: hashOf(token) } })

const denials = () => denialsIn(house)

beforeAll(async () => {
  house = await TestHouse.start()
  const proxies = ['spiffe://example.org/agent/edge', 'spiffe://example.org/agent/both']
  const actions = ['read', 'pay']
  const one = { audience: AUDIENCE, owner: 'finance', spiffe_ids: [], actions, proxies, url: URL }
  await house.admin('/v1/resources', { json: one })
  await house.admin('/v1/resources', { json: { ...one, audience: OTHER, proxies: proxies.slice(1) } })
  const permissions = [AUDIENCE, OTHER].map((audience) => ({ audience, actions }))
  for (const name of ['bot', 'other', 'edge', 'both']) {
    await house.admin('/v1/agents', { json: { name, owner: 'finance', permissions } })
  }
  bot = await house.enroll('bot')
  proxy = await house.enroll('edge')
})
afterAll(() => house.stop())

describe('whether a request may go on to the service behind a proxy', () => {
  it('MT-6 tells nginx who sends it, by the certificate that only a registered proxy may hand on', async () => {
    const { token, task } = await start()
    const reply = await send('GET', '/v1/authz', { ...nginx(), ...bearer(token) })
    expect(reply.status).toBe(200)
    expect(reply.headers).toMatchObject({
      'x-writ-spiffe-id': bot.svid.spiffe_id,
      'x-writ-subject': bot.svid.spiffe_id,
      'x-writ-task': task,
      'x-writ-scope': 'read',
    })
    const others = await house.enroll('other')
    expect(codeOf(await send('GET', '/v1/authz', { ...nginx(), ...bearer(token) }, others.identity))).toBe(
      'AUTHZ_PROXY_NOT_REGISTERED',
    )
    const denial = { actor: others.svid.spiffe_id, decision: 'deny:AUTHZ_PROXY_NOT_REGISTERED' }
    await expect
      .poll(denials, { timeout: 20_000 })
      .toContainEqual(expect.objectContaining({ type: 'request.authorized', ...denial }))
    expect((await house.ask('/v1/authz', { headers: { ...bearer(token) } as Record<string, string> })).status).toBe(401)
  })

  it('tells Traefik and Envoy the same, each by its own headers', async () => {
    const { token } = await start()
    const traefik = {
      'x-forwarded-method': 'POST',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'shop.example.org',
      'x-forwarded-uri': '/invoices',
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-tls-client-cert': bot.svid.certificate.replace(/-----[A-Z ]+-----|\n/g, ''),
    }
    expect(codeOf(await send('GET', '/v1/authz?action=read', { ...traefik, ...bearer(token) }))).toBe('ACCEPTED')
    const xfcc = `Hash=${hashHex(bot)};Cert="${pem()}";Subject="";URI=${bot.svid.spiffe_id}`
    const envoy = { 'x-forwarded-client-cert': xfcc, 'x-writ-action': 'read', 'content-length': '0' }
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      expect(codeOf(await send(method, '/v1/authz/invoices?a=1&a=2', { ...envoy, ...bearer(token) }))).toBe('ACCEPTED')
    }
    expect((await send('HEAD', '/v1/authz/', { ...envoy, ...bearer(token) })).status).toBe(200)
  })

  it('refuses a proxy of several resources, since nobody says which one is meant', async () => {
    const both = await house.enroll('both')
    const { token } = await start()
    expect(codeOf(await send('GET', '/v1/authz', { ...nginx(), ...bearer(token) }, both.identity))).toBe(
      'AUTHZ_PROXY_AMBIGUOUS',
    )
  })

  it('takes the audience from the registration, whatever headers say', async () => {
    const { token } = await start({ resource: OTHER })
    const headers = { ...nginx(), ...bearer(token), host: 'other.example.org', 'x-forwarded-host': 'other.example.org' }
    expect(codeOf(await send('GET', '/v1/authz', headers))).toBe('AUTHZ_TOKEN_INVALID')
  })

  it('promise 5: a stolen token is worthless with no certificate, or with that of somebody else', async () => {
    const { token } = await start()
    const other = await house.enroll('other')
    const attempt = async (more: Headers): Promise<string> =>
      codeOf(await send('GET', '/v1/authz', { ...bearer(token), ...nginx(more) }))
    expect(await attempt({ 'ssl-client-cert': '' })).toBe('AUTHZ_CERTIFICATE_MISSING')
    expect(await attempt({ 'ssl-client-cert': pem(other) })).toBe('AUTHZ_TOKEN_NOT_BOUND')
    expect(await attempt({ authorization: `DPoP ${token}` })).toBe('AUTHZ_TOKEN_SCHEME_WRONG')
    expect(await attempt({ authorization: [`Bearer ${token}`, `Bearer ${token}`] })).toBe('AUTHZ_TOKEN_INVALID')
  })

  it('promise 6: refuses at the next request what was revoked, completed or suspended', async () => {
    const who = await house.enroll('other')
    const finished = await start({ who })
    const living = await start({ who })
    const attempt = async ({ token }: Started): Promise<string> =>
      codeOf(await send('GET', '/v1/authz', { ...nginx({ 'ssl-client-cert': pem(who) }), ...bearer(token) }))
    expect(await attempt(finished)).toBe('ACCEPTED')
    await house.ask(`/v1/tasks/${finished.task}/complete`, { method: 'POST', as: who.identity })
    expect(await attempt(finished)).toBe('AUTHZ_TOKEN_INACTIVE')
    const denial = { actor: who.svid.spiffe_id, decision: 'deny:AUTHZ_TOKEN_INACTIVE' }
    await expect.poll(denials, { timeout: 20_000 }).toContainEqual(expect.objectContaining(denial))
    expect(await attempt(living)).toBe('ACCEPTED')
    const revoked = await house.admin('/v1/revocations', {
      json: { handle: 'instance', value: who.svid.instance, reason: 'superseded' },
    })
    expect(revoked.status).toBeLessThan(300)
    expect(await attempt(living)).toBe('AUTHZ_CERTIFICATE_INVALID')
  })

  it('looks for what the configuration of the proxy asks, on every object', async () => {
    const attempt = async (query: string, order: Order, more: Headers = {}): Promise<string> => {
      const { token } = await start(order)
      return codeOf(await send('GET', `/v1/authz${query}`, { ...nginx(), ...bearer(token), ...more }))
    }
    expect(await attempt('?action=pay', {})).toBe('AUTHZ_ACTION_NOT_ALLOWED')
    expect(await attempt('?action=read&action=pay', {})).toBe('AUTHZ_ACTION_NOT_ALLOWED')
    expect(await attempt('?action=read&action=pay', { actions: ['read', 'pay'] })).toBe('ACCEPTED')
    expect(await attempt('', { identifiers: ['17'] })).toBe('ACCEPTED')
    expect(await attempt('?action=read', { identifiers: ['17'] })).toBe('AUTHZ_ACTION_NOT_ALLOWED')
    expect(await attempt('?action=read&identifier=17', { identifiers: ['17'] })).toBe('ACCEPTED')
    expect(await attempt('?action=read&identifier=18', { identifiers: ['17'] })).toBe('AUTHZ_ACTION_NOT_ALLOWED')
    expect(await attempt('?action=read', { constraints: { max_amount: 5 } })).toBe('AUTHZ_CONSTRAINT_UNKNOWN')
    expect(await attempt('?action=read', {}, { 'x-writ-action': 'pay' })).toBe('AUTHZ_ACTION_NOT_ALLOWED')
    expect((await send('GET', '/v1/authz?audience=x', nginx())).body['error_code']).toBe('QUERY_INVALID')
  })
})

function hashHex({ svid }: Enrolled): string {
  const der = Buffer.from(svid.certificate.replace(/-----[A-Z ]+-----|\n/g, ''), 'base64')
  return createHash('sha256').update(der).digest('hex')
}

describe('a request that is signed with DPoP', () => {
  const attempt = async (token: string, dpop: string | string[], more: Headers = {}): Promise<string> => {
    const headers = { 'x-original-method': 'GET', 'x-original-uri': '/invoices/17?page=2', ...more }
    return codeOf(await send('GET', '/v1/authz', { ...headers, authorization: `DPoP ${token}`, dpop }))
  }

  it('DP-1 is let in once, for the registered URL and the path that the proxy names', async () => {
    const { token } = await start({ dpop: true })
    const good = proof(token, `${URL}/invoices/17`)
    expect(await attempt(token, good)).toBe('ACCEPTED')
    expect(await attempt(token, good)).toBe('AUTHZ_PROOF_REPLAYED')
  })

  it('DP-1 is refused for another host, path or method, whatever host is forwarded', async () => {
    const { token } = await start({ dpop: true })
    const forwarded = { 'x-forwarded-host': 'evil.example.org', host: 'evil.example.org' }
    expect(await attempt(token, proof(token, 'https://evil.example.org/invoices/17'), forwarded)).toBe(
      'AUTHZ_PROOF_INVALID',
    )
    expect(await attempt(token, proof(token, `${URL}/invoices/18`))).toBe('AUTHZ_PROOF_INVALID')
    expect(await attempt(token, proof(token, `${URL}/invoices/17`, 'POST'))).toBe('AUTHZ_PROOF_INVALID')
    expect(await attempt(token, [])).toBe('AUTHZ_PROOF_INVALID')
    expect(await attempt(token, [proof(token, `${URL}/invoices/17`), proof(token, `${URL}/invoices/17`)])).toBe(
      'AUTHZ_PROOF_INVALID',
    )
  })

  it('DP-5 is refused as Bearer, and where the proxy does not say which request it is', async () => {
    const { token } = await start({ dpop: true })
    expect(codeOf(await send('GET', '/v1/authz', { ...nginx(), ...bearer(token) }))).toBe('AUTHZ_TOKEN_SCHEME_WRONG')
    const headers = { authorization: `DPoP ${token}`, dpop: proof(token, `${URL}/invoices/17`) }
    expect(codeOf(await send('GET', '/v1/authz', headers))).toBe('AUTHZ_URL_MISSING')
  })

  it('has the method and path of the question itself where the proxy is Envoy', async () => {
    const { token } = await start({ dpop: true })
    const headers = { authorization: `DPoP ${token}`, dpop: proof(token, `${URL}/a/b`, 'PUT') }
    expect(codeOf(await send('PUT', '/v1/authz/a/b?c=d', headers))).toBe('ACCEPTED')
  })
})

describe('headers of a proxy', () => {
  it.each([
    ['a doubled certificate', { 'ssl-client-cert': ['a', 'b'] }],
    ['a doubled URL', { 'x-original-uri': ['/a', '/b'] }],
    ['a doubled method', { 'x-original-method': ['GET', 'POST'] }],
    ['those of another proxy beside', { 'x-forwarded-uri': '/b' }],
    ["another proxy's certificate beside", { 'x-forwarded-tls-client-cert': 'MIIB' }],
    ["Envoy's certificate beside", { 'x-forwarded-client-cert': 'Cert="a"' }],
    ['a URL with a host', { 'x-original-uri': 'https://shop.example.org/a' }],
    ['no URL', { 'x-original-uri': '' }],
    ['a method that is none', { 'x-original-method': 'get it' }],
    ['a certificate that is none', { 'ssl-client-cert': 'abc' }],
    ['two certificates', { 'ssl-client-cert': 'twice' }],
    ['broken encoding', { 'ssl-client-cert': '%zz' }],
    ['an action that is none', { 'x-writ-action': 'a"b' }],
  ])('are refused with %s', async (_name, more: Headers) => {
    const headers = more['ssl-client-cert'] === 'twice' ? { 'ssl-client-cert': pem() + pem() } : more
    expect(codeOf(await send('GET', '/v1/authz', nginx(headers)))).toBe('AUTHZ_FORWARDED_INVALID')
  })

  it('count for nothing where the proxy has not said which request it is, or has in another way', async () => {
    expect(codeOf(await send('GET', '/v1/authz/a', nginx()))).toBe('AUTHZ_FORWARDED_INVALID')
    const { token } = await start()
    const headers = { 'ssl-client-cert': pem(), ...bearer(token) }
    expect(codeOf(await send('GET', '/v1/authz', headers))).toBe('AUTHZ_FORWARDED_INVALID')
  })

  it.each([
    ['two elements', (cert: string) => `Cert="${cert}",Cert="${cert}"`],
    ['a key twice', (cert: string) => `Cert="${cert}";Cert="${cert}"`],
    ['a key that nobody knows', (cert: string) => `Cert="${cert}";Sect=a`],
    ['no certificate', () => 'Hash=00;Subject="CN=a"'],
    ["another certificate's hash", (cert: string) => `Hash=${'00'.repeat(32)};Cert="${cert}"`],
    ['an open quote', (cert: string) => `Cert="${cert}`],
  ])("are refused with %s in Envoy's", async (_name, write) => {
    const headers = { 'x-forwarded-client-cert': write(pem()) }
    expect(codeOf(await send('GET', '/v1/authz/a', headers))).toBe('AUTHZ_FORWARDED_INVALID')
  })
})

describe('an answer to a proxy', () => {
  it('PR-1 challenges the client with both schemes, and with what is missing', async () => {
    const missing = await send('GET', '/v1/authz', nginx())
    expect(missing).toMatchObject({ status: 401, body: { error_code: 'AUTHZ_TOKEN_MISSING' } })
    expect(missing.headers['www-authenticate']).toMatch(
      /^Bearer realm="example.org", DPoP realm="example.org", algs="ES256 /,
    )
    const { token } = await start()
    const denied = await send('GET', '/v1/authz?action=pay', { ...nginx(), ...bearer(token) })
    expect(denied.status).toBe(403)
    expect(denied.headers['www-authenticate']).toContain('error="insufficient_scope"')
    expect(denied.headers['www-authenticate']).toContain('scope="pay"')
  })

  it('counts those of whom nothing is proved, and writes no leaf for each', async () => {
    // A copy of the proxy for this test alone: what names it was written here.
    const own = await house.enroll('edge')
    const attempt = (query: string, token: string): Promise<Reply> =>
      send('GET', `/v1/authz${query}`, { ...nginx(), ...bearer(token) }, own.identity)
    for (let round = 0; round < 5; round++) await attempt('', 'a.b.c')
    // Leaves get their places in the order in which they were written: with this one, those before it have theirs.
    const { token } = await start()
    expect(codeOf(await attempt('?action=pay', token))).toBe('AUTHZ_ACTION_NOT_ALLOWED')
    const naming = async () => (await denials()).filter((leaf) => JSON.stringify(leaf).includes(own.svid.spiffe_id))
    await expect.poll(naming, { timeout: 20_000 }).not.toEqual([])
    expect((await naming()).map(({ decision }) => decision)).toEqual(['deny:AUTHZ_ACTION_NOT_ALLOWED'])
    const ofThisKind = (await denials()).filter(({ decision }) => decision === 'deny:AUTHZ_TOKEN_INVALID')
    expect(ofThisKind.filter(({ actor }) => actor !== 'anonymous')).toEqual([])
    const counted = async () => countedAs('AUTHZ_TOKEN_INVALID', await denials())
    await expect.poll(counted, { timeout: 20_000 }).toBeGreaterThanOrEqual(5)
  })
})
