import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, takeToken } from '../support/api-tokens.ts'
import { TestIssuer } from '../support/issuer.ts'
import { BILLING, TestHouse, type Enrolled } from '../support/server.ts'

const HEADER = 'Bearer what-the-receiver-gave'
const PUSH = 'urn:ietf:rfc:8935'

let house: TestHouse
let bot: Enrolled
let endpoint: TestIssuer
const folder = mkdtempSync(join(tmpdir(), 'writ-ca-'))

interface Push {
  readonly method: string | undefined
  readonly type: string | undefined
  readonly authorization: string | undefined
  readonly body: string
}
const pushes: Push[] = []
let status = 202

beforeAll(async () => {
  endpoint = await TestIssuer.start('localhost')
  endpoint.answers.set('/events', (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      const { 'content-type': type, authorization } = request.headers
      pushes.push({ method: request.method, type, authorization, body })
      response.writeHead(status, status === 302 ? { location: `${endpoint.issuer}/elsewhere` } : {}).end()
    })
  })
  const file = join(folder, 'ca.pem')
  writeFileSync(file, endpoint.authority.pem)
  house = await TestHouse.start({ security_events: { ca_file: file, allow_private: true } })
  await house.register('invoice-bot')
  bot = await house.enroll('invoice-bot')
})

afterAll(async () => {
  await house.stop()
  await endpoint.close()
  rmSync(folder, { recursive: true })
})

describe('pushed security events', () => {
  it('SS-4 arrive as RFC 8935 has it, again until they are taken, and follow no redirection', async () => {
    const as = bot.identity
    const delivery = { method: PUSH, endpoint_url: `${endpoint.issuer}/events`, authorization_header: HEADER }
    const made = await house.ask('/ssf/streams', { as, json: { delivery } })
    expect([made.status, made.body['delivery']]).toEqual([201, { method: PUSH, endpoint_url: delivery.endpoint_url }])
    status = 302
    const token = await takeToken(house, bot)
    await house.ask('/oauth2/revoke', { as, form: { token: token.text } })
    await eventually(
      () => Promise.resolve(pushes.length),
      (count) => count >= 2,
    )
    expect(endpoint.asked).not.toContain('/elsewhere')
    status = 202
    await eventually(
      () => Promise.resolve(pushes.length),
      (count) => count >= 3,
    )
    const count = pushes.length
    expect(new Set(pushes.map(({ body }) => body)).size).toBe(1)
    expect(pushes[0]).toMatchObject({ method: 'POST', type: 'application/secevent+jwt', authorization: HEADER })
    const keys = createLocalJWKSet((await house.ask('/oauth2/jwks')).body as unknown as JSONWebKeySet)
    const { payload } = await jwtVerify(pushes[0]?.body ?? '', keys, {
      typ: 'secevent+jwt',
      audience: BILLING,
      algorithms: ['RS256'],
    })
    expect(payload['sub_id']).toEqual({ format: 'jwt_id', iss: 'https://id.example.org', jti: token.jti })
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(pushes.length).toBe(count)
    const polled = await house.ask(`/ssf/poll/${String(made.body['stream_id'])}`, { as, json: {} })
    expect(polled.body['code']).toBe('SSF_NOT_POLLED')
  })

  it('promise 11: what the receiver gave is in no answer and no line of the log', async () => {
    const shown = await house.ask('/ssf/streams', { as: bot.identity })
    expect(JSON.stringify(shown.body)).not.toContain('what-the-receiver-gave')
    expect(house.logged.join('')).not.toContain('what-the-receiver-gave')
  })
})
