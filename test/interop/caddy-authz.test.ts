import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttp, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http'
import { request } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { instant } from '#kernel/instant.ts'
import { freePort } from '../support/free-port.ts'
import { takeToken } from '../support/api-tokens.ts'
import { until } from '../support/background.ts'
import { hashOf, rawDpop } from '../support/dpop.ts'
import { newTestKey } from '../support/keys.ts'
import { BILLING, TestHouse, type Enrolled } from '../support/server.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/receivers.md'), 'utf8')
const HOST = 'billing.example.org'

let house: TestHouse
let cwd: string
let caddy: ChildProcess
let service: Server
let port: number
let bot: Enrolled
let complaints = ''
let seen: IncomingHttpHeaders | null = null

/** The site of docs/receivers.md, with the addresses of this test; nothing else of Caddy's listens. */
function recipe(): string {
  const [, block = ''] = /<!-- caddy -->\n+```caddyfile\n([^]*?)```/.exec(PAGE) ?? []
  const site = block
    .replaceAll('/etc/writ/edge/', `${cwd}/`)
    .replaceAll(`https://${HOST} {`, `https://${HOST}:${String(port)} {\n  bind 127.0.0.1`)
    .replaceAll('https://id.example.org:8443', `https://127.0.0.1:${String(house.port)}`)
    .replaceAll('tls_server_name id.example.org', 'tls_server_name localhost')
    .replaceAll('invoices:read', 'read')
    .replaceAll('http://127.0.0.1:8000', `http://127.0.0.1:${String((service.address() as AddressInfo).port)}`)
  return `{\n  admin off\n  auto_https disable_redirects\n  storage file_system ${cwd}/storage\n}\n${site}`
}

interface Call {
  readonly as?: Enrolled
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | string[]>>
}

/** The status, and what the service saw if it was asked. */
async function call({ as, method = 'GET', headers = {} }: Call) {
  seen = null
  const at = { host: '127.0.0.1', port, servername: HOST, agent: false, rejectUnauthorized: false } as const
  const asked = request({
    ...at,
    ...(as === undefined ? {} : as.identity),
    method,
    path: '/invoices/17?page=2',
    headers: { host: HOST, ...headers },
  })
  asked.end(method === 'POST' ? 'body' : undefined)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  return { status: response.statusCode ?? 0, headers: response.headers, seen: seen as IncomingHttpHeaders | null }
}

beforeAll(async () => {
  house = await TestHouse.start()
  const one = { audience: BILLING, owner: 'finance', spiffe_ids: [], actions: ['read', 'pay'] }
  await house.admin('/v1/resources', { json: { ...one, proxies: ['spiffe://example.org/agent/edge'], url: BILLING } })
  const permissions = [{ audience: BILLING, actions: ['read', 'pay'] }]
  for (const name of ['bot', 'edge']) await house.admin('/v1/agents', { json: { name, owner: 'finance', permissions } })
  bot = await house.enroll('bot')
  const { identity } = await house.enroll('edge')
  cwd = mkdtempSync(join(tmpdir(), 'writ-caddy-'))
  const keys = (await house.ask('/bundle')).body['keys'] as readonly { readonly x5c?: readonly string[] }[]
  const anchors = keys.flatMap(({ x5c = [] }) => x5c).map((der) => `${(der.match(/.{1,64}/g) ?? []).join('\n')}\n`)
  const pem = anchors.map((text) => `-----BEGIN CERTIFICATE-----\n${text}-----END CERTIFICATE-----\n`)
  writeFileSync(join(cwd, 'ca.pem'), pem.join(''))
  writeFileSync(join(cwd, 'certificate.pem'), identity.cert)
  writeFileSync(join(cwd, 'key.pem'), identity.key, { mode: 0o600 })
  service = createHttp((incoming, response) => {
    seen = incoming.headers
    incoming.resume()
    response.end('served')
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  port = await freePort()
  writeFileSync(join(cwd, 'Caddyfile'), recipe())
  const env = { PATH: process.env['PATH'], HOME: cwd, XDG_DATA_HOME: cwd, XDG_CONFIG_HOME: cwd }
  caddy = spawn('caddy', ['run', '--config', join(cwd, 'Caddyfile'), '--adapter', 'caddyfile'], { env, cwd })
  caddy.stderr?.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
  await until(
    () => complaints.includes('serving initial configuration'),
    () => complaints,
  )
}, 60_000)

afterAll(async () => {
  if (caddy.exitCode === null) {
    const ended = once(caddy, 'close')
    caddy.kill('SIGTERM')
    await ended
  }
  service.closeAllConnections()
  service.close()
  await house.stop()
  rmSync(cwd, { recursive: true })
})

describe('Caddy with the recipe of docs/receivers.md', () => {
  it('MT-6 lets a bound token in, and tells the service who sent it in place of what the client said', async () => {
    const authorization = `Bearer ${(await takeToken(house, bot)).text}`
    const lies = { 'x-writ-spiffe-id': 'spiffe://example.org/agent/root', 'x-writ-scope': 'pay' }
    for (const method of ['GET', 'POST', 'DELETE']) {
      const answer = await call({ as: bot, method, headers: { authorization, ...lies } })
      expect([answer.status, complaints]).toEqual([200, complaints])
      expect(answer.seen).toMatchObject({ 'x-writ-spiffe-id': bot.svid.spiffe_id, 'x-writ-scope': 'read' })
      expect(answer.seen?.['authorization']).toBeUndefined()
    }
  })

  it('challenges whoever has no token, and refuses a stolen one and one for something else', async () => {
    const missing = await call({ as: bot })
    expect([missing.status, missing.seen]).toEqual([401, null])
    expect(missing.headers['www-authenticate']).toMatch(/^Bearer realm="example.org"/)
    const { text } = await takeToken(house, bot)
    const stolen = await call({ headers: { authorization: `Bearer ${text}` } })
    expect([stolen.status, stolen.seen]).toEqual([401, null])
    const other = await call({ as: await house.enroll('bot'), headers: { authorization: `Bearer ${text}` } })
    expect([other.status, other.seen]).toEqual([401, null])
  })

  it('DP-1 lets a signed request in once, for its own method and URL, and asks for no certificate', async () => {
    const key = newTestKey()
    const { text } = await takeToken(house, bot, key)
    const proof = (uri: string, method = 'GET'): string =>
      rawDpop({ method, uri, now: instant(Date.now()) }, { key, claims: { ath: hashOf(text) } })
    const attempt = async (dpop: string, method = 'GET'): Promise<number> =>
      (await call({ method, headers: { authorization: `DPoP ${text}`, dpop } })).status
    const good = proof(`${BILLING}/invoices/17`)
    expect([await attempt(good), await attempt(good)]).toEqual([200, 401])
    expect(await attempt(proof(`${BILLING}/invoices/18`))).toBe(401)
    expect(await attempt(proof(`${BILLING}/invoices/17`), 'DELETE')).toBe(401)
    expect(await attempt(proof(`${BILLING}/invoices/17`, 'DELETE'), 'DELETE')).toBe(200)
  })

  it('hands on no certificate and no URL that the client names in a header', async () => {
    const authorization = `Bearer ${(await takeToken(house, bot)).text}`
    const bare = bot.svid.certificate.replace(/-----[A-Z ]+-----|\n/g, '')
    const pem = encodeURIComponent(bot.svid.certificate)
    for (const forged of [
      { 'x-forwarded-tls-client-cert': bare },
      { 'X-Forwarded-Tls-Client-Cert': [bare, bare] },
      { 'x-forwarded-client-cert': `Cert="${pem}"` },
      { 'ssl-client-cert': pem, 'x-original-uri': '/a', 'x-original-method': 'GET' },
    ]) {
      const answer = await call({ headers: { authorization, ...forged } })
      expect([answer.status >= 400, answer.seen]).toEqual([true, null])
    }
    // What is not the client's to say changes nothing for one who is let in.
    const honest = { 'x-forwarded-uri': '/b', 'x-forwarded-method': 'TRACE', 'x-forwarded-host': 'evil.example' }
    expect((await call({ as: bot, headers: { authorization, ...honest } })).status).toBe(200)
  })
})
