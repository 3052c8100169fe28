import * as oauth from 'oauth4webapi'
import { Agent, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toPem } from '#x509/index.ts'
import { decodeBundle, TrustDomain } from '#spiffe/index.ts'
import { JWT_TYPE, ACCESS_TOKEN_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { freePort } from '../../support/free-port.ts'
import { BILLING, TestHouse, type Enrolled } from '../../support/server.ts'

/**
 * A stock OAuth client against the running server. All that it is told is the issuer, the anchor of the server and the
 * client certificate; whatever else it uses it has from discovery.
 */
let house: TestHouse
let issuer: URL
let server: oauth.AuthorizationServer
let bot: Enrolled
let thief: Enrolled

beforeAll(async () => {
  const port = await freePort()
  issuer = new URL(`https://localhost:${String(port)}`)
  house = await TestHouse.start({
    public_url: issuer.origin,
    listen: { https: `127.0.0.1:${String(port)}`, status: '127.0.0.1:0', health: '127.0.0.1:0' },
  })
  await house.register('invoice-bot')
  bot = await house.enroll('invoice-bot')
  thief = await house.enroll('invoice-bot')
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...transport(null) })
  server = await oauth.processDiscoveryResponse(issuer, response)
})
afterAll(() => house.stop())

/** The one thing that the library leaves to its user: the connection and its client certificate. */
function transport(who: Enrolled | null) {
  const bundle = decodeBundle(TrustDomain.parse('example.org'), house.bundle)
  const ca = bundle.x509Authorities.map((der) => toPem('CERTIFICATE', der))
  const dispatcher = new Agent({ connect: { ca, ...(who === null ? {} : who.identity) }, maxCachedSessions: 0 })
  const present = (url: string, options: object) => undiciFetch(url, { ...options, dispatcher })
  return { [oauth.customFetch]: present as never }
}

const clientOf = (who: Enrolled): oauth.Client => ({
  client_id: who.svid.spiffe_id,
  use_mtls_endpoint_aliases: true,
  introspection_signed_response_alg: 'ES256',
})

async function proofOf(who: Enrolled): Promise<{ token: string; task: string }> {
  const jwt = await house.ask('/v1/jwt-svid', { as: who.identity, json: { audience: [issuer.origin] } })
  const authority = [{ type: 'task', resource: BILLING, actions: ['read', 'pay'] }]
  const task = await house.ask('/v1/tasks', { as: who.identity, json: { authority, expires_in: 600 } })
  return { token: String(jwt.body['token']), task: String(task.body['id']) }
}

async function exchange(who: Enrolled, parameters: Record<string, string>): Promise<oauth.TokenEndpointResponse> {
  const client = clientOf(who)
  const response = await oauth.genericTokenEndpointRequest(
    server,
    client,
    oauth.TlsClientAuth(),
    TOKEN_EXCHANGE_GRANT,
    { resource: BILLING, ...parameters },
    transport(who),
  )
  return oauth.processGenericTokenEndpointResponse(server, client, response)
}

async function start(who: Enrolled): Promise<oauth.TokenEndpointResponse> {
  const { token, task } = await proofOf(who)
  return exchange(who, { subject_token: token, subject_token_type: JWT_TYPE, task_id: task })
}

async function introspect(who: Enrolled, token: string, signed = false): Promise<oauth.IntrospectionResponse> {
  const client = clientOf(who)
  const options = { ...transport(who), requestJwt: signed }
  const response = await oauth.introspectionRequest(server, client, oauth.TlsClientAuth(), token, options)
  const answer = await oauth.processIntrospectionResponse(server, client, response)
  if (signed) await oauth.validateApplicationLevelSignature(server, response, transport(null))
  return answer
}

async function refusal(attempt: Promise<unknown>): Promise<{ status: number; error: string }> {
  const failure: unknown = await attempt.catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(oauth.ResponseBodyError)
  const { status, error } = failure as oauth.ResponseBodyError
  return { status, error }
}

describe('oauth4webapi', () => {
  it('MD-1 MT-4 RAR-3 discovers an issuer that is identical, token exchange, bound tokens and our type', () => {
    expect(server.issuer).toBe(issuer.origin)
    expect(server.grant_types_supported).toEqual([TOKEN_EXCHANGE_GRANT])
    expect(server.tls_client_certificate_bound_access_tokens).toBe(true)
    expect(server['authorization_details_types_supported']).toEqual(['task'])
    expect(server.token_endpoint_auth_methods_supported).toContain('tls_client_auth')
    for (const endpoint of ['token_endpoint', 'introspection_endpoint', 'revocation_endpoint'] as const) {
      expect(server.mtls_endpoint_aliases?.[endpoint]).toBe(server[endpoint])
      expect(new URL(server[endpoint] ?? '').origin).toBe(issuer.origin)
    }
  })

  it('TE-7 exchanges its identity for a task token, and narrows that', async () => {
    const answer = await start(bot)
    expect(answer).toMatchObject({ token_type: 'bearer', issued_token_type: ACCESS_TOKEN_TYPE, scope: 'pay read' })
    expect(answer.expires_in).toBeLessThanOrEqual(300)
    expect(answer.refresh_token).toBeUndefined()
    const subject = { subject_token: answer.access_token, subject_token_type: ACCESS_TOKEN_TYPE }
    expect(await exchange(bot, { ...subject, scope: 'read' })).toMatchObject({ scope: 'read' })
  })

  it('MT-1 is no client without its certificate, or with the client_id of another', async () => {
    const { token, task } = await proofOf(bot)
    const parameters = { subject_token: token, subject_token_type: JWT_TYPE, task_id: task, resource: BILLING }
    for (const [client, presented] of [
      [clientOf(bot), null],
      [clientOf(bot), thief],
    ] as const) {
      const response = await oauth.genericTokenEndpointRequest(
        server,
        client,
        oauth.TlsClientAuth(),
        TOKEN_EXCHANGE_GRANT,
        parameters,
        transport(presented),
      )
      const processed = oauth.processGenericTokenEndpointResponse(server, client, response)
      const failure: unknown = await processed.catch((error: unknown) => error)
      expect(failure).toMatchObject({ status: 401 })
    }
    expect(await exchange(bot, parameters)).toHaveProperty('access_token')
  })

  it('TE-12 promise 5 refuses a stolen token that comes with another certificate', async () => {
    const { access_token: stolen } = await start(bot)
    const attempt = exchange(thief, { subject_token: stolen, subject_token_type: ACCESS_TOKEN_TYPE })
    expect(await refusal(attempt)).toEqual({ status: 400, error: 'invalid_request' })
  })

  it('TE-5 TE-6 RI-1 names the failure as the standards do', async () => {
    const { access_token: token } = await start(bot)
    const subject = { subject_token: token, subject_token_type: ACCESS_TOKEN_TYPE }
    const cases = [
      ['invalid_request', { ...subject, subject_token: `${token}x` }],
      ['invalid_target', { ...subject, resource: 'https://nobody.example.org' }],
      ['invalid_scope', { ...subject, scope: 'delete' }],
      ['invalid_authorization_details', { ...subject, authorization_details: '[{"type":"payment"}]' }],
    ] as const
    for (const [error, parameters] of cases) {
      expect(await refusal(exchange(bot, parameters))).toEqual({ status: 400, error })
    }
  })

  it('IN-1 IN-2 MT-4 introspects, plain and signed, with the confirmation of the token', async () => {
    const { access_token: token } = await start(bot)
    const plain = await introspect(bot, token)
    expect(plain).toMatchObject({ active: true, client_id: bot.svid.spiffe_id, aud: BILLING })
    expect(plain['cnf']).toEqual({ 'x5t#S256': expect.stringMatching(/^[\w-]{43}$/) as string })
    expect(await introspect(bot, token, true)).toEqual(plain)
    expect(await introspect(bot, 'unknown')).toEqual({ active: false })
  })

  it('RV-1 RV-2 revokes a token and everything below it, and is content with an unknown one', async () => {
    const { access_token: parent } = await start(bot)
    const below = await exchange(bot, { subject_token: parent, subject_token_type: ACCESS_TOKEN_TYPE })
    for (const token of ['unknown', parent]) {
      const client = clientOf(bot)
      const answer = await oauth.revocationRequest(server, client, oauth.TlsClientAuth(), token, transport(bot))
      await oauth.processRevocationResponse(answer)
    }
    expect(await introspect(bot, parent)).toEqual({ active: false })
    expect(await introspect(bot, below.access_token)).toEqual({ active: false })
  })
})
