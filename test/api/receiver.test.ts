import { connect } from 'node:tls'
import express from 'express'
import { after, HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import type { TaskToken } from '#jwt/index.ts'
import {
  accessOf,
  receiverTlsOptions,
  RefreshingTrust,
  requireTask,
  type Receiver,
  type ReceiverOptions,
  type Requirement,
} from '#receiver/index.ts'
import { SpiffeId, TrustDomain } from '#spiffe/index.ts'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { codeOfAsync } from '../support/code-of.ts'
import { LoopbackServer, pemOf, ReceiverSetup, TRUST_DOMAIN } from '../support/receiver-setup.ts'
import { TestAuthority, type TestLeaf } from '../support/test-authority.ts'
import { AUDIENCE, BOT, CLASSIFIER, NOW } from '../support/tokens.ts'

let setup: ReceiverSetup
let server: LoopbackServer
let agent: TestLeaf
let service: TestLeaf

beforeAll(async () => {
  setup = await ReceiverSetup.create()
  agent = await setup.agent()
  service = await setup.authority.issue(SpiffeId.parse('spiffe://example.org/agent/billing/i-1'))
})

afterEach(async () => {
  await server.close()
  setup.clock.set(NOW)
})

const invoice: Requirement = {
  actions: ['invoices:read'],
  identifiers: (request) => [(request.url ?? '').slice(1)],
}

async function serve(receiver: Receiver, requirement: Requirement = invoice): Promise<void> {
  const app = express()
  app.use(requireTask(receiver, requirement))
  app.use((request, response) => {
    response.json({ actor: accessOf(request)?.caller, subject: accessOf(request)?.claims.subject })
  })
  server = await LoopbackServer.listen({ ...receiverTlsOptions(), ...pemOf(service) }, app)
}

const serveWith = (changes: Partial<ReceiverOptions> = {}): Promise<void> => serve(setup.receiver(changes))

interface Session {
  readonly reused: boolean
  readonly session: Buffer | undefined
}

function handshake(version: 'TLSv1.2' | 'TLSv1.3', session?: Buffer): Promise<Session> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...{ host: '127.0.0.1', port: server.port, rejectUnauthorized: false, ...pemOf(agent) },
      ...{ minVersion: version, maxVersion: version, ...(session === undefined ? {} : { session }) },
    })
    let issued: Buffer | undefined
    socket.on('session', (latest: Buffer) => (issued = latest)).on('error', reject)
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))
    socket.once('data', () => {
      resolve({ reused: socket.isSessionReused(), session: issued ?? socket.getSession() })
      socket.destroy()
    })
  })
}

async function resumes(version: 'TLSv1.2' | 'TLSv1.3'): Promise<boolean> {
  const first = await handshake(version)
  return (await handshake(version, first.session)).reused
}

describe('a receiver over real TLS', () => {
  it('lets a bound token of an allowed caller do what its task allows', async () => {
    await serveWith()
    const answer = await server.get(server.client(agent), '/inv_17', `Bearer ${await setup.token(agent)}`)
    expect(answer).toMatchObject({
      status: 200,
      body: { actor: CLASSIFIER.toString(), subject: 'user:corp-idp:00u1a2b3' },
    })
  })

  it('asks for a token where there is none, with no error code (RFC 6750 section 3.1)', async () => {
    await serveWith()
    const answer = await server.get(server.client(agent), '/inv_17')
    expect(answer.status).toBe(401)
    expect(answer.challenge).toBe('Bearer scope="invoices:read"')
  })

  it('refuses a caller without certificate, whatever its token', async () => {
    await serveWith()
    const answer = await server.get(server.client(undefined), '/inv_17', `Bearer ${await setup.token(agent)}`)
    expect(answer).toMatchObject({
      status: 401,
      body: { error: 'invalid_token', error_code: 'RECEIVER_CERTIFICATE_MISSING' },
    })
    expect(answer.challenge).toContain('error="invalid_token"')
  })

  it('MT-3 promise 5: a stolen token is worthless with another certificate', async () => {
    await serveWith()
    const sameId = await setup.agent()
    const answer = await server.get(server.client(sameId), '/inv_17', `Bearer ${await setup.token(agent)}`)
    expect(answer).toMatchObject({
      status: 401,
      body: { error: 'invalid_token', error_code: 'RECEIVER_TOKEN_NOT_BOUND' },
    })
  })

  it('refuses a token that names another actor, even when it is bound to the caller', async () => {
    await serveWith()
    const token = await setup.token(agent, { actors: [BOT], client: BOT })
    const answer = await server.get(server.client(agent), '/inv_17', `Bearer ${token}`)
    expect(answer.body['error_code']).toBe('RECEIVER_TOKEN_NOT_BOUND')
  })

  it('DP-5 refuses a token that is bound to a DPoP key', async () => {
    await serveWith()
    const confirmation = { method: 'jkt' as const, thumbprint: 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0' }
    const answer = await server.get(
      server.client(agent),
      '/inv_17',
      `Bearer ${await setup.token(agent, { confirmation })}`,
    )
    expect(answer.body['error_code']).toBe('RECEIVER_TOKEN_SCHEME_WRONG')
  })

  it.each([
    ['another authority with the same name', 'example.org'],
    ['another trust domain', 'other.test'],
  ])('refuses a certificate of %s', async (_name, domain) => {
    await serveWith()
    const other = await TestAuthority.create(TrustDomain.parse(domain), NOW)
    const leaf = await other.issue(SpiffeId.parse(`spiffe://${domain}/agent/classifier/i-91c2`))
    const answer = await server.get(server.client(leaf), '/inv_17', `Bearer ${await setup.token(leaf)}`)
    expect(answer).toMatchObject({ status: 401, body: { error_code: 'RECEIVER_CERTIFICATE_INVALID' } })
  })

  it('refuses the certificate of the authority itself', async () => {
    await serveWith()
    const leaf = { certificate: setup.authority.certificate, key: setup.authority.key }
    const answer = await server.get(server.client(leaf), '/inv_17', `Bearer ${await setup.token(leaf)}`)
    expect(answer.body['error_code']).toBe('RECEIVER_CERTIFICATE_INVALID')
  })

  it('refuses a caller that is not on the list, and everyone when the list is empty', async () => {
    await serveWith({ allow: ['spiffe://example.org/agent/class', 'spiffe://example.org/agent/classifier/i-other'] })
    const token = `Bearer ${await setup.token(agent)}`
    const answer = await server.get(server.client(agent), '/inv_17', token)
    expect(answer).toMatchObject({ status: 403, body: { error_code: 'RECEIVER_CALLER_NOT_ALLOWED' } })
    await server.close()
    await serveWith({ allow: [] })
    expect((await server.get(server.client(agent), '/inv_17', token)).status).toBe(403)
  })

  it('refuses another object with 403 and names the scope that is needed', async () => {
    await serveWith()
    const answer = await server.get(server.client(agent), '/inv_18', `Bearer ${await setup.token(agent)}`)
    expect(answer).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } })
    expect(answer.challenge).toContain('error="insufficient_scope"')
    expect(answer.challenge).toContain('scope="invoices:read"')
  })

  it('refuses the token of another audience, an expired one, a foreign one, and what is none', async () => {
    await serveWith()
    const client = server.client(agent)
    const reason = async (token: string): Promise<unknown> =>
      (await server.get(client, '/inv_17', `Bearer ${token}`)).body['reason']
    const other = 'https://other.example.org'
    const authority = [{ type: 'task' as const, resource: other, actions: ['invoices:read'] }]
    expect(await reason(await setup.token(agent, { audience: other, authority }))).toBe('JWT_AUDIENCE_WRONG')
    expect(await reason(await (await ReceiverSetup.create()).token(agent))).toBe('JWT_KEY_UNKNOWN')
    expect(await reason('abc')).toBe('JWT_MALFORMED')
    const token = await setup.token(agent)
    setup.clock.advance(4 * MINUTE)
    expect(await reason(token)).toBe('JWT_EXPIRED')
  })

  it.each([['Basic YTpi'], ['Bearer'], ['Bearer a b'], ['DPoP a b'], [['Bearer a', 'Bearer b']]])(
    'answers 400 to the authorization %j',
    async (authorization) => {
      await serveWith()
      const answer = await server.get(server.client(agent), '/inv_17', authorization)
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
    },
  )

  it('promise 6 checks the expiry of the certificate on every request of a connection, not at the handshake only', async () => {
    await serveWith()
    const short = await setup.authority.issue(CLASSIFIER, { notAfter: after(NOW, 30 * SECOND) })
    const client = server.client(short)
    const token = `Bearer ${await setup.token(short)}`
    expect((await server.get(client, '/inv_17', token)).status).toBe(200)
    setup.clock.advance(30 * SECOND)
    expect((await server.get(client, '/inv_17', token)).status).toBe(200)
    setup.clock.advance(SECOND)
    const answer = await server.get(client, '/inv_17', token)
    expect(answer).toMatchObject({ status: 401, body: { reason: 'CERTIFICATE_EXPIRED' } })
  })

  it('promise 8 takes certificates of the old and the new authority while both are in the bundle', async () => {
    const next = await TestAuthority.create(TRUST_DOMAIN, NOW, 'next authority')
    let documents = setup.documents(1n, [setup.authority, next])
    const trust = new RefreshingTrust({
      trustDomain: TRUST_DOMAIN,
      fetchBundle: () => Promise.resolve(documents.bundle),
      fetchJwks: () => Promise.resolve(documents.jwks),
      clock: setup.clock,
    })
    await trust.refresh()
    await serveWith({ trust })
    const renewed = await next.issue(CLASSIFIER)
    const [oldClient, newClient] = [server.client(agent), server.client(renewed)]
    const [oldToken, newToken] = [`Bearer ${await setup.token(agent)}`, `Bearer ${await setup.token(renewed)}`]
    expect((await server.get(oldClient, '/inv_17', oldToken)).status).toBe(200)
    expect((await server.get(newClient, '/inv_17', newToken)).status).toBe(200)
    // Taken out of the bundle: the connection that was open is refused at its next request.
    documents = setup.documents(2n, [next])
    await trust.refresh()
    expect((await server.get(oldClient, '/inv_17', oldToken)).body['error_code']).toBe('RECEIVER_CERTIFICATE_INVALID')
    expect((await server.get(newClient, '/inv_17', newToken)).status).toBe(200)
  })

  it('promise 2 promise 6 denies when its view is too old', async () => {
    const documents = setup.documents()
    const trust = new RefreshingTrust({
      trustDomain: TRUST_DOMAIN,
      fetchBundle: () => Promise.resolve(documents.bundle),
      fetchJwks: () => Promise.resolve(documents.jwks),
      clock: setup.clock,
      maxStaleness: MINUTE,
    })
    await serveWith({ trust })
    const client = server.client(agent)
    const token = `Bearer ${await setup.token(agent)}`
    expect(await server.get(client, '/inv_17', token)).toMatchObject({
      status: 503,
      body: { error_code: 'RECEIVER_TRUST_MISSING' },
    })
    await trust.refresh()
    expect((await server.get(client, '/inv_17', token)).status).toBe(200)
    setup.clock.advance(MINUTE + 1)
    expect(await server.get(client, '/inv_17', token)).toMatchObject({
      status: 503,
      body: { error_code: 'RECEIVER_TRUST_STALE' },
    })
  })

  it('refuses a completed task at once where it can ask, and everything where it cannot be answered', async () => {
    let answer: () => Promise<{ active?: unknown }> = () => Promise.resolve({ active: true })
    const asked: string[] = []
    await serveWith({
      introspect: (token) => {
        asked.push(token)
        return answer()
      },
    })
    const client = server.client(agent)
    const token = await setup.token(agent)
    const code = async (): Promise<unknown> =>
      (await server.get(client, '/inv_17', `Bearer ${token}`)).body['error_code']
    expect(await code()).toBeUndefined()
    answer = () => Promise.resolve({ active: false })
    expect(await code()).toBe('RECEIVER_TOKEN_INACTIVE')
    answer = () => Promise.resolve({ active: 'true' })
    expect(await code()).toBe('RECEIVER_TOKEN_INACTIVE')
    answer = () => Promise.reject(new TypeError('the server is away'))
    expect(await code()).toBe('RECEIVER_INTROSPECTION_FAILED')
    expect(new Set(asked)).toEqual(new Set([token]))
  })

  it('does not ask about a token that it refuses anyway', async () => {
    let asked = 0
    await serveWith({
      introspect: () => {
        asked++
        return Promise.resolve({ active: true })
      },
    })
    const stranger = await setup.agent()
    await server.get(server.client(stranger), '/inv_17', `Bearer ${await setup.token(agent)}`)
    expect(asked).toBe(0)
  })

  it('denies when the requirement itself fails, and tells nothing of it', async () => {
    await serve(setup.receiver(), {
      actions: ['invoices:read'],
      identifiers: () => {
        throw new TypeError('a secret of the service')
      },
    })
    const answer = await server.get(server.client(agent), '/inv_17', `Bearer ${await setup.token(agent)}`)
    expect(answer).toEqual({ status: 500, challenge: undefined, body: { error: 'server_error' } })
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'never resumes a %s session, which plain TLS options would',
    async (version) => {
      const plain = { ...receiverTlsOptions(), secureOptions: 0 }
      server = await LoopbackServer.listen({ ...plain, ...pemOf(service) }, (_request, response) => response.end())
      expect(await resumes(version)).toBe(true)
      await server.close()
      await serveWith()
      expect(await resumes(version)).toBe(false)
    },
  )

  it('without a server at all a receiver verifies what it is given', async () => {
    await serveWith()
    const receiver = setup.receiver()
    const peer = receiver.verifyCertificate([agent.certificate])
    expect(peer.spiffeId.equals(CLASSIFIER)).toBe(true)
    expect(peer.expiresAt).toBe(after(NOW, HOUR))
    const token = await setup.token(agent)
    const verified: TaskToken = await receiver.verifyTaskToken(token, { peerCertificate: agent.certificate })
    expect(verified.claims.audience).toBe(AUDIENCE)
    const other = await codeOfAsync(() => receiver.verifyTaskToken(token, { peerCertificate: service.certificate }))
    expect(other).toBe('RECEIVER_TOKEN_NOT_BOUND')
  })
})
