import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { authenticationError } from '#authentication/index.ts'
import { parseWith, problem } from '#wire/index.ts'
import { testRoutes } from '../support/routes.ts'
import { exchangeRaw, FakeFlows, LOCAL_ADMIN, startHttp, stopHttp, type TestServer } from '../support/http.ts'

const TASK = { authority: [{ type: 'task', resource: 'https://a.example', actions: ['read'] }] }
const JSON_TYPE = { 'content-type': 'application/json' }
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' }

describe('promise 10: the pipeline of every request', () => {
  let flows: FakeFlows
  let server: TestServer

  beforeEach(async () => {
    flows = new FakeFlows()
    server = await startHttp({ routes: testRoutes(), flows })
  })
  afterEach(() => stopHttp(server))

  async function call(
    path: string,
    init?: RequestInit,
  ): Promise<{ status: number; headers: Headers; body: Record<string, unknown> }> {
    const response = await fetch(server.origin + path, init)
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as Record<string, unknown>,
    }
  }
  const post = (path: string, body: string, headers: Record<string, string>) =>
    call(path, { method: 'POST', body, headers })

  it('answers a good request through express and straight off the server alike', async () => {
    expect(await post('/v1/tasks', JSON.stringify(TASK), JSON_TYPE)).toMatchObject({ status: 200, body: { result: 1 } })
    expect(await post('/v1/renew', JSON.stringify({ csr: 'A'.repeat(64) }), JSON_TYPE)).toMatchObject({
      status: 200,
      body: { result: 'hot' },
    })
    expect((await call('/v1/things?limit=7')).body).toEqual({ result: 7 })
    expect((await call('/v1/things/a%2Fb')).body).toEqual({ result: { name: 'a/b' } })
  })

  it('writes every problem as RFC 9457 has it, and lets nothing be cached', async () => {
    const { status, headers, body } = await post('/v1/tasks', '{"authority":[],"x":1}', JSON_TYPE)
    expect(status).toBe(400)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(parseWith(problem, body, 'ANSWER_INVALID')).toEqual(body)
    expect(body).toMatchObject({
      type: 'urn:writ:error:BODY_INVALID',
      code: 'BODY_INVALID',
      status: 400,
      request_id: headers.get('x-request-id'),
    })
    expect(body['detail']).toContain('authority')
  })

  it.each([
    ['/v1/nothing', 'GET', 404, 'ROUTE_NOT_FOUND'],
    ['/', 'GET', 404, 'ROUTE_NOT_FOUND'],
    ['/V1/things', 'GET', 404, 'ROUTE_NOT_FOUND'],
    ['/v1/things/', 'GET', 404, 'ROUTE_NOT_FOUND'],
    ['/v1/things/%zz', 'GET', 404, 'ROUTE_NOT_FOUND'],
    ['/v1/things', 'POST', 405, 'METHOD_NOT_ALLOWED'],
    ['/v1/renew', 'GET', 405, 'METHOD_NOT_ALLOWED'],
    ['/v1/things', 'PATCH', 405, 'METHOD_NOT_ALLOWED'],
  ])('answers %s %s with %i %s', async (path, method, status, code) => {
    expect(await call(path, { method })).toMatchObject({ status, body: { code } })
  })

  it('says which methods a path takes', async () => {
    expect((await call('/v1/things', { method: 'DELETE' })).headers.get('allow')).toBe('GET, HEAD')
    expect((await call('/v1/renew', { method: 'PUT' })).headers.get('allow')).toBe('POST')
  })

  it('answers HEAD as GET without a body', async () => {
    const response = await fetch(`${server.origin}/v1/things`, { method: 'HEAD' })
    expect([response.status, await response.text()]).toEqual([200, ''])
  })

  it.each([
    ['text/plain', JSON.stringify(TASK)],
    ['application/json; charset=latin1', JSON.stringify(TASK)],
    ['application/jsonp', JSON.stringify(TASK)],
    ['', JSON.stringify(TASK)],
  ])('refuses the content type %j', async (type, body) => {
    expect(await post('/v1/tasks', body, { 'content-type': type })).toMatchObject({ status: 415 })
  })

  it('takes the content type in any case and with the charset that it is anyway', async () => {
    const { status } = await post('/v1/tasks', JSON.stringify(TASK), {
      'content-type': 'Application/JSON; charset="UTF-8"',
    })
    expect(status).toBe(200)
  })

  it('refuses a compressed body, which could be a bomb', async () => {
    expect(await post('/v1/tasks', JSON.stringify(TASK), { ...JSON_TYPE, 'content-encoding': 'gzip' })).toMatchObject({
      status: 415,
    })
  })

  it('refuses a body where none is taken', async () => {
    expect(await post('/v1/crash', '{}', JSON_TYPE)).toMatchObject({ status: 400, body: { code: 'BODY_UNEXPECTED' } })
  })

  it('refuses a body that declares to be too large before it reads it', async () => {
    const answer = await exchangeRaw(
      server.port,
      'POST /v1/tasks HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 999999\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
  })

  it('refuses a body that turns out too large, and lets the client read why', async () => {
    const huge = `{"authority":"${'x'.repeat(3_000)}"}`
    const chunked = `POST /v1/tasks HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${huge.length.toString(16)}\r\n${huge}\r\n`
    const answer = await exchangeRaw(server.port, chunked)
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(answer).toContain('BODY_TOO_LARGE')
  })

  it('refuses a body that dribbles in, and closes the connection', async () => {
    const answer = await exchangeRaw(
      server.port,
      'POST /v1/tasks HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{"a',
      /never/,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(answer).toContain('BODY_TOO_SLOW')
  })

  it('refuses JSON that is too deep, repeats a member, or is none', async () => {
    expect(await post('/v1/tasks', '['.repeat(13) + ']'.repeat(13), JSON_TYPE)).toMatchObject({
      body: { code: 'JSON_TOO_DEEP' },
    })
    expect(await post('/v1/tasks', '{"authority":[],"authority":[]}', JSON_TYPE)).toMatchObject({
      body: { code: 'JSON_DUPLICATE_KEY' },
    })
    expect(await post('/v1/tasks', '{"authority":', JSON_TYPE)).toMatchObject({ body: { code: 'INVALID_JSON' } })
    expect(await post('/v1/tasks', '', JSON_TYPE)).toMatchObject({ status: 400 })
  })

  it('says nothing about a failure of its own, and logs it', async () => {
    const { status, body } = await call('/v1/crash', { method: 'POST' })
    expect([status, body['code']]).toEqual([500, 'INTERNAL_ERROR'])
    expect(JSON.stringify(body)).not.toContain('secret of the inside')
    expect(server.failures).toHaveLength(1)
  })

  it('hangs up, and lives on, when an answer cannot be written', async () => {
    await expect(call('/v1/unanswerable', { method: 'POST' })).rejects.toThrow()
    expect(server.failures).toHaveLength(1)
    expect((await call('/v1/things')).status).toBe(200)
  })

  it('counts what it refuses to somebody without a name, and leaves the others to the story', async () => {
    expect((await call('/v1/forbidden', { method: 'POST' })).status).toBe(403)
    flows.identity = LOCAL_ADMIN
    expect((await call('/v1/forbidden', { method: 'POST' })).status).toBe(403)
    expect(flows.refusals).toEqual([{ operation: 'forbidden', code: 'JOIN_TOKEN_USED', caller: 'anonymous' }])
  })

  it('names the route in metrics by its pattern, never by what was asked for', async () => {
    await call('/v1/things/wjt_secret')
    await call('/v1/other/wjt_secret')
    expect(JSON.stringify(server.entries)).not.toContain('secret')
    expect(server.entries.map((entry) => entry.route)).toEqual(['/v1/things/{name}', 'ROUTE_NOT_FOUND'])
  })

  describe('at the door', () => {
    it('asks an unknown caller for a certificate, and counts the refusal', async () => {
      const { status, headers } = await call('/v1/admin', { method: 'POST' })
      expect([status, headers.get('www-authenticate')]).toEqual([401, 'MutualTLS realm="example.org"'])
      expect(flows.refusals).toEqual([{ operation: 'adminOnly', code: 'AUTHENTICATION_REQUIRED', caller: 'anonymous' }])
    })

    it('lets an admin in wherever a role is wanted, and not where an agent is', async () => {
      flows.identity = LOCAL_ADMIN
      expect((await call('/v1/admin', { method: 'POST' })).status).toBe(200)
      const refused = await post('/oauth2/introspect', 'token=x', FORM_TYPE)
      expect(refused).toMatchObject({
        status: 400,
        body: { error: 'unauthorized_client', error_code: 'CALLER_NOT_AGENT' },
      })
      expect(flows.refusals).toEqual([{ operation: 'agentOnly', code: 'CALLER_NOT_AGENT', caller: 'local:1000' }])
    })

    it('refuses a certificate that is present and invalid on every route, open ones too', async () => {
      flows.fail = authenticationError('CLIENT_CERTIFICATE_EXPIRED')
      for (const path of ['/v1/things', '/v1/nothing']) {
        expect(await call(path)).toMatchObject({ status: 401, body: { code: 'CLIENT_CERTIFICATE_EXPIRED' } })
      }
      expect(flows.refusals.map((refusal) => refusal.caller)).toEqual([null, null])
    })

    it.each([{ origin: 'https://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }])(
      'lets no page of another site use the certificate of its visitor: %j',
      async (headers) => {
        flows.identity = LOCAL_ADMIN
        const refused = await exchangeRaw(
          server.port,
          `POST /v1/admin HTTP/1.1\r\nhost: a\r\n${Object.entries(headers)
            .map(([name, value]) => `${name}: ${value}\r\n`)
            .join('')}\r\n`,
        )
        expect(refused).toMatch(/^HTTP\/1\.1 403 /)
        expect(refused).toContain('ORIGIN_FORBIDDEN')
      },
    )

    it('lets a page of its own through', async () => {
      flows.identity = LOCAL_ADMIN
      const request =
        'POST /v1/admin HTTP/1.1\r\nhost: a\r\norigin: https://id.example.org\r\nsec-fetch-site: same-origin\r\n\r\n'
      expect(await exchangeRaw(server.port, request)).toMatch(/^HTTP\/1\.1 200 /)
    })

    it('is closed when nobody can be authenticated because something broke', async () => {
      flows.fail = new TypeError('store')
      expect((await call('/v1/things')).status).toBe(500)
      expect(flows.refusals).toEqual([])
    })
  })

  describe('on the endpoints of OAuth', () => {
    it('speaks as RFC 6749 section 5.2 does', async () => {
      const { status, headers, body } = await post('/oauth2/token', 'token=a&token=b', FORM_TYPE)
      expect(status).toBe(400)
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('content-type')).toBe('application/json')
      expect(body).toMatchObject({ error: 'invalid_request', error_code: 'FORM_DUPLICATE_PARAMETER' })
      expect(body['error_description']).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/)
    })

    it('IN-1 asks an unauthenticated caller to be a client, and challenges only one who tried', async () => {
      const plain = await post('/oauth2/introspect', 'token=x', FORM_TYPE)
      expect(plain).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
      expect(plain.headers.get('www-authenticate')).toBeNull()
      const tried = await post('/oauth2/introspect', 'token=x', { ...FORM_TYPE, authorization: 'Basic YTpi' })
      expect(tried.headers.get('www-authenticate')).toBe('Basic realm="example.org"')
    })

    it('wants a form', async () => {
      expect(await post('/oauth2/token', '{}', JSON_TYPE)).toMatchObject({
        status: 415,
        body: { error: 'invalid_request' },
      })
    })
  })

  it('answers 100 requests at once, each with an id of its own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => post('/v1/tasks', JSON.stringify(TASK), JSON_TYPE)),
    )
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]))
    expect(new Set(answers.map((answer) => answer.headers.get('x-request-id'))).size).toBe(100)
  })

  it('refuses everything once it stops, on a connection that closes', async () => {
    server.dispatcher.stop()
    const { status, headers, body } = await call('/v1/things')
    expect([status, headers.get('connection'), body['code']]).toEqual([503, 'close', 'SERVER_STOPPING'])
  })
})
