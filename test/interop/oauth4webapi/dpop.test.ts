import * as oauth from 'oauth4webapi'
import { Agent, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeBundle, TrustDomain } from '#spiffe/index.ts'
import { ACCESS_TOKEN_TYPE, JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { toPem } from '#x509/index.ts'
import { freePort } from '../../support/free-port.ts'
import { BILLING, TestHouse, type Enrolled } from '../../support/server.ts'

/** A stock client gets a token that is bound to a DPoP key of its own, and a stock resource server takes it. */
let house: TestHouse
let issuer: URL
let server: oauth.AuthorizationServer
let bot: Enrolled

beforeAll(async () => {
  const port = await freePort()
  issuer = new URL(`https://localhost:${String(port)}`)
  house = await TestHouse.start({
    public_url: issuer.origin,
    listen: { https: `127.0.0.1:${String(port)}`, status: '127.0.0.1:0', health: '127.0.0.1:0' },
  })
  await house.register('invoice-bot')
  bot = await house.enroll('invoice-bot')
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...transport(null) })
  server = await oauth.processDiscoveryResponse(issuer, response)
})
afterAll(() => house.stop())

function transport(who: Enrolled | null) {
  const bundle = decodeBundle(TrustDomain.parse('example.org'), house.bundle)
  const ca = bundle.x509Authorities.map((der) => toPem('CERTIFICATE', der))
  const dispatcher = new Agent({ connect: { ca, ...(who === null ? {} : who.identity) }, maxCachedSessions: 0 })
  const present = (url: string, options: object) => undiciFetch(url, { ...options, dispatcher })
  return { [oauth.customFetch]: present as never }
}

async function start(handle: oauth.DPoPHandle): Promise<oauth.TokenEndpointResponse> {
  const client = { client_id: bot.svid.spiffe_id, use_mtls_endpoint_aliases: true }
  const jwt = await house.ask('/v1/jwt-svid', { as: bot.identity, json: { audience: [issuer.origin] } })
  const authority = [{ type: 'task', resource: BILLING, actions: ['read'] }]
  const task = await house.ask('/v1/tasks', { as: bot.identity, json: { authority, expires_in: 600 } })
  const subject = { subject_token: String(jwt.body['token']), subject_token_type: JWT_TYPE }
  const parameters = { resource: BILLING, task_id: String(task.body['id']), ...subject }
  const ask = async (): Promise<oauth.TokenEndpointResponse> => {
    const options = { ...transport(bot), DPoP: handle }
    const auth = oauth.TlsClientAuth()
    const response = await oauth.genericTokenEndpointRequest(
      server,
      client,
      auth,
      TOKEN_EXCHANGE_GRANT,
      parameters,
      options,
    )
    return oauth.processGenericTokenEndpointResponse(server, client, response)
  }
  try {
    return await ask()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return ask()
  }
}

describe('oauth4webapi with DPoP', () => {
  it('DP-2 DP-3 CN-1 gets a token after being told the nonce, and validates it with its own proof', async () => {
    expect(server.dpop_signing_alg_values_supported).toContain('ES256')
    const keyPair = await oauth.generateKeyPair('ES256')
    const handle = oauth.DPoP({}, keyPair)
    const answer = await start(handle)
    expect(answer).toMatchObject({ token_type: 'dpop', issued_token_type: ACCESS_TOKEN_TYPE })
    const request = await resourceRequest(handle, answer.access_token)
    const claims = await oauth.validateJwtAccessToken(server, request, BILLING, {
      requireDPoP: true,
      ...transport(null),
    })
    expect(claims.cnf?.jkt).toBe(await handle.calculateThumbprint())
    expect(Object.keys(claims.cnf ?? {})).toEqual(['jkt'])
    const stolen = new Request(request.url, { headers: { authorization: `Bearer ${answer.access_token}` } })
    const attempt = oauth.validateJwtAccessToken(server, stolen, BILLING, { requireDPoP: true, ...transport(null) })
    await expect(attempt).rejects.toBeInstanceOf(Error)
  })
})

/** The request that the library would send with the token, caught on its way. */
async function resourceRequest(handle: oauth.DPoPHandle, token: string): Promise<Request> {
  const url = new URL(`${BILLING}/invoices`)
  let sent: Request | undefined
  const keep = (target: string, { method, headers }: { method: string; headers: Headers }): Promise<Response> => {
    sent = new Request(target, { method, headers })
    return Promise.resolve(new Response('{}'))
  }
  const options = { DPoP: handle, [oauth.customFetch]: keep as never }
  await oauth.protectedResourceRequest(token, 'GET', url, undefined, undefined, options)
  if (sent === undefined) throw new TypeError('nothing was sent')
  return sent
}
