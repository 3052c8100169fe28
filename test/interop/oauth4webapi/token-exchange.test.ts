import * as oauth from 'oauth4webapi'
import { Agent, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ACCESS_TOKEN_TYPE, JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { BILLING, TestHouse, type Enrolled } from '../../support/server.ts'

const ISSUER = new URL('https://id.example.org')

describe('oauth4webapi, unmodified, against a whole server', () => {
  let house: TestHouse
  let bot: Enrolled
  let dispatcher: Agent
  let as: oauth.AuthorizationServer
  let client: oauth.Client

  beforeAll(async () => {
    house = await TestHouse.start()
    await house.register('invoice-bot')
    bot = await house.enroll('invoice-bot')
    // The name of the issuer leads to this machine; everything else is as the library does it.
    dispatcher = new Agent({
      connect: { ...bot.identity, rejectUnauthorized: false, maxCachedSessions: 0, servername: 'localhost' },
    })
    const response = await oauth.discoveryRequest(ISSUER, { algorithm: 'oauth2', [oauth.customFetch]: local })
    as = await oauth.processDiscoveryResponse(ISSUER, response)
    client = { client_id: bot.svid.spiffe_id, use_mtls_endpoint_aliases: true }
  })
  afterAll(async () => {
    await dispatcher.close()
    await house.stop()
  })

  const local = async (input: string, init: object): Promise<Response> => {
    const url = input.replace(ISSUER.origin, `https://127.0.0.1:${String(house.port)}`)
    const request = { ...init, dispatcher } as Parameters<typeof undiciFetch>[1]
    const { status, headers, body } = await undiciFetch(url, request)
    return new Response(body, { status, headers: [...headers] })
  }

  const options = { [oauth.customFetch]: local }

  async function subjectToken(): Promise<{ token: string; task: string }> {
    const jwt = await house.ask('/v1/jwt-svid', { as: bot.identity, json: { audience: [ISSUER.origin] } })
    const authority = [{ type: 'task', resource: BILLING, actions: ['read'] }]
    const task = await house.ask('/v1/tasks', { as: bot.identity, json: { authority } })
    return { token: String(jwt.body['token']), task: String(task.body['id']) }
  }

  async function exchange(change: Record<string, string> = {}): Promise<oauth.TokenEndpointResponse> {
    const { token, task } = await subjectToken()
    const parameters = {
      subject_token: token,
      subject_token_type: JWT_TYPE,
      task_id: task,
      resource: BILLING,
      ...change,
    }
    const response = await oauth.genericTokenEndpointRequest(
      as,
      client,
      oauth.TlsClientAuth(),
      TOKEN_EXCHANGE_GRANT,
      parameters,
      options,
    )
    return oauth.processGenericTokenEndpointResponse(as, client, response)
  }

  it('MD-1 MT-4 RAR-3 discovers the server', () => {
    expect(as.issuer).toBe(ISSUER.origin)
    expect(as.grant_types_supported).toContain(TOKEN_EXCHANGE_GRANT)
    expect(as.token_endpoint_auth_methods_supported).toContain('tls_client_auth')
    expect(as.tls_client_certificate_bound_access_tokens).toBe(true)
    expect(as['authorization_details_types_supported']).toEqual(['task'])
  })

  it('TE-7 exchanges by mTLS', async () => {
    const answer = await exchange()
    expect(answer).toMatchObject({ token_type: 'bearer', issued_token_type: ACCESS_TOKEN_TYPE, scope: 'read' })
    expect(answer.refresh_token).toBeUndefined()
  })

  it('TE-5 TE-6 RI-1 reads our refusals as OAuth errors', async () => {
    await expect(exchange({ subject_token: 'none' })).rejects.toMatchObject({ error: 'invalid_request', status: 400 })
    await expect(exchange({ resource: 'https://unknown.example.org' })).rejects.toMatchObject({
      error: 'invalid_target',
    })
    await expect(exchange({ authorization_details: '[]' })).rejects.toMatchObject({
      error: 'invalid_authorization_details',
    })
  })

  it('MT-1 is told that it is another client', async () => {
    client = { ...client, client_id: 'spiffe://example.org/agent/other' }
    await expect(exchange()).rejects.toMatchObject({ error: 'invalid_client', status: 401 })
    client = { ...client, client_id: bot.svid.spiffe_id }
  })

  it('IN-1 introspects, RV-1 revokes, and then it is inactive', async () => {
    const { access_token: token } = await exchange()
    const look = async (): Promise<oauth.IntrospectionResponse> => {
      const response = await oauth.introspectionRequest(as, client, oauth.TlsClientAuth(), token, options)
      return oauth.processIntrospectionResponse(as, client, response)
    }
    expect(await look()).toMatchObject({ active: true, client_id: bot.svid.spiffe_id, aud: BILLING })
    const revoked = await oauth.revocationRequest(as, client, oauth.TlsClientAuth(), token, options)
    await oauth.processRevocationResponse(revoked)
    expect(await look()).toEqual({ active: false })
  })
})
