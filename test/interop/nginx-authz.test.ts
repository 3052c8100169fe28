import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttp, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http'
import { request } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { instant } from '#kernel/instant.ts'
import { JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/background.ts'
import { hashOf, rawDpop } from '../support/dpop.ts'
import { newTestKey } from '../support/keys.ts'
import { BILLING, TestHouse, type Enrolled, type Reply } from '../support/server.ts'

const NGINX = '/usr/sbin/nginx'
const PUBLIC = 'https://id.example.org'
const PAGE = readFileSync(join(import.meta.dirname, '../../docs/receivers.md'), 'utf8')

let house: TestHouse
let cwd: string
let nginx: ChildProcess
let service: Server
let port: number
let bot: Enrolled
let complaints = ''
let seen: IncomingHttpHeaders = {}
const key = newTestKey()

/** The server block of docs/receivers.md, with the addresses of this test. */
function recipe(): string {
  const [, block = ''] = /<!-- nginx -->\n+```nginx\n([^]*?)```/.exec(PAGE) ?? []
  const { port: behind } = service.address() as AddressInfo
  return block
    .replaceAll('/etc/writ/edge/', `${cwd}/`)
    .replaceAll('listen 443 ssl', `listen 127.0.0.1:${String(port)} ssl`)
    .replaceAll('https://id.example.org:8443', `https://127.0.0.1:${String(house.port)}`)
    .replaceAll('http://127.0.0.1:8000', `http://127.0.0.1:${String(behind)}`)
}

const configuration = (): string => `
  daemon off;
  ${process.getuid?.() === 0 ? 'user root;' : ''}
  pid nginx.pid;
  error_log stderr;
  events { worker_connections 64; }
  http {
    access_log off;
    client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
    ${recipe()}
  }
`

interface Call {
  readonly as?: Enrolled
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string | string[]>>
}

async function call({ as, method = 'GET', path = '/invoices/17?page=2', headers = {} }: Call): Promise<Reply> {
  const identity = as === undefined ? {} : as.identity
  const asked = request({
    host: '127.0.0.1',
    port,
    agent: false,
    rejectUnauthorized: false,
    method,
    path,
    headers,
    ...identity,
  })
  asked.end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  return { status: response.statusCode ?? 0, headers: response.headers, body: {} }
}

async function start(who: Enrolled, isDpop = false): Promise<string> {
  const as = who.identity
  const jwt = await house.ask('/v1/jwt-svid', { as, json: { audience: [PUBLIC] } })
  const authority = [{ type: 'task', resource: BILLING, actions: ['invoices:read'] }]
  const task = await house.ask('/v1/tasks', { as, json: { authority, expires_in: 600 } })
  const form = {
    grant_type: TOKEN_EXCHANGE_GRANT,
    client_id: who.svid.spiffe_id,
    subject_token: String(jwt.body['token']),
    subject_token_type: JWT_TYPE,
    resource: BILLING,
    task_id: String(task.body['id']),
  }
  const exchange = (nonce?: string): Promise<Reply> => {
    const at = { method: 'POST', uri: `${PUBLIC}/oauth2/token`, now: instant(Date.now()) }
    return house.ask('/oauth2/token', {
      as,
      form,
      headers: isDpop ? { dpop: rawDpop(at, { key, claims: { nonce } }) } : {},
    })
  }
  const first = await exchange()
  const reply = first.status === 200 ? first : await exchange(String(first.headers['dpop-nonce']))
  return String(reply.body['access_token'])
}

beforeAll(async () => {
  if (!existsSync(NGINX)) throw new TypeError('this test needs nginx: install the Debian package nginx-light')
  house = await TestHouse.start()
  const proxies = ['spiffe://example.org/agent/edge']
  const url = 'https://shop.example.org'
  const json = {
    audience: BILLING,
    owner: 'finance',
    spiffe_ids: [],
    actions: ['invoices:read', 'invoices:pay'],
    proxies,
    url,
  }
  await house.admin('/v1/resources', { json })
  const permissions = [{ audience: BILLING, actions: ['invoices:read', 'invoices:pay'] }]
  for (const name of ['bot', 'edge']) await house.admin('/v1/agents', { json: { name, owner: 'finance', permissions } })
  bot = await house.enroll('bot')
  const edge = await house.enroll('edge')
  cwd = mkdtempSync(join(tmpdir(), 'writ-authz-'))
  mkdirSync(join(cwd, 'temp'))
  const ca = (await house.ask('/bundle')).body['keys'] as { x5c?: string[] }[]
  const anchors = ca
    .flatMap(({ x5c = [] }) => x5c)
    .map(
      (der) => `-----BEGIN CERTIFICATE-----\n${(der.match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`,
    )
  writeFileSync(join(cwd, 'ca.pem'), anchors.join(''))
  writeFileSync(join(cwd, 'certificate.pem'), edge.identity.cert)
  writeFileSync(join(cwd, 'key.pem'), edge.identity.key, { mode: 0o600 })
  service = createHttp((incoming, response) => {
    seen = incoming.headers
    response.end('served')
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  port = await freePort()
  writeFileSync(join(cwd, 'nginx.conf'), configuration())
  nginx = spawn(NGINX, ['-p', cwd, '-c', join(cwd, 'nginx.conf'), '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  nginx.stderr?.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
  await until(
    () => existsSync(join(cwd, 'nginx.pid')),
    () => complaints,
  )
}, 60_000)

afterAll(async () => {
  if (nginx.exitCode === null) {
    const ended = new Promise((resolve) => nginx.once('close', resolve))
    nginx.kill('SIGTERM')
    await ended
  }
  service.closeAllConnections()
  service.close()
  await house.stop()
  rmSync(cwd, { recursive: true })
})

describe('nginx with the recipe of docs/receivers.md', () => {
  it('MT-6 lets a bound token in, and tells the service who sent it in place of what the client said', async () => {
    const token = await start(bot)
    const lies = { 'x-writ-spiffe-id': 'spiffe://example.org/agent/root', 'x-writ-scope': 'pay' }
    const { status } = await call({ as: bot, headers: { authorization: `Bearer ${token}`, ...lies } })
    expect([status, complaints]).toEqual([200, complaints])
    expect(seen).toMatchObject({ 'x-writ-spiffe-id': bot.svid.spiffe_id, 'x-writ-scope': 'invoices:read' })
    expect(seen['authorization']).toBeUndefined()
  })

  it('challenges whoever has no token, and refuses a stolen one', async () => {
    const token = await start(bot)
    const missing = await call({ as: bot })
    expect(missing.status).toBe(401)
    expect(missing.headers['www-authenticate']).toMatch(/^Bearer realm="example.org"/)
    expect((await call({ headers: { authorization: `Bearer ${token}` } })).status).toBe(401)
  })

  it('hands on no certificate and no URL that the client names in a header', async () => {
    const authorization = `Bearer ${await start(bot)}`
    const pem = encodeURIComponent(bot.svid.certificate)
    const bare = bot.svid.certificate.replace(/-----[A-Z ]+-----|\n/g, '')
    for (const forged of [
      { 'ssl-client-cert': pem },
      { 'x-forwarded-client-cert': `Cert="${pem}"` },
      { 'x-forwarded-tls-client-cert': bare, 'x-forwarded-uri': '/a', 'x-forwarded-method': 'GET' },
      { 'x-original-uri': ['/a', '/b'] },
    ]) {
      expect((await call({ headers: { authorization, ...forged } })).status).toBe(401)
    }
  })

  it('DP-1 lets a signed request in once, for its own method and URL', async () => {
    const token = await start(bot, true)
    const proof = (uri: string, method = 'GET'): string =>
      rawDpop({ method, uri, now: instant(Date.now()) }, { key, claims: { ath: hashOf(token) } })
    const attempt = async (dpop: string, method = 'GET'): Promise<number> =>
      (await call({ method, headers: { authorization: `DPoP ${token}`, dpop } })).status
    const good = proof('https://shop.example.org/invoices/17')
    expect([await attempt(good), await attempt(good)]).toEqual([200, 401])
    expect(await attempt(proof('https://shop.example.org/invoices/18'))).toBe(401)
    expect(await attempt(proof('https://shop.example.org/invoices/17'), 'DELETE')).toBe(401)
    expect(await attempt(proof('https://shop.example.org/invoices/17', 'DELETE'), 'DELETE')).toBe(200)
  })

  it('asks for the actions that its own configuration names', async () => {
    const authorization = `Bearer ${await start(bot)}`
    expect((await call({ as: bot, path: '/pay/17', headers: { authorization } })).status).toBe(403)
    expect((await call({ as: bot, path: '/pay/17?action=read', headers: { authorization } })).status).toBe(403)
  })
})
