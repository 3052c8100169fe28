import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createLocalJWKSet,
  decodeJwt,
  generateKeyPair,
  jwtVerify,
  SignJWT,
  UnsecuredJWT,
  type JSONWebKeySet,
  type JWTPayload,
} from 'jose'
import * as oauth from 'oauth4webapi'
import { Agent, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { TestIssuer } from '../support/issuer.ts'
import { BILLING, TestHouse, type Enrolled, type Reply } from '../support/server.ts'

const ISSUER = 'https://id.example.org'
const CLIENT = 'writ-at-corp'

/** A whole server, and an identity provider that it finds by discovery over TLS; jose signs the ID tokens. */
let house: TestHouse
let idp: TestIssuer
let folder: string
let bot: Enrolled
const shown: string[] = []
let count = 0

beforeAll(async () => {
  idp = await TestIssuer.start('localhost')
  folder = mkdtempSync(join(tmpdir(), 'writ-users-'))
  writeFileSync(join(folder, 'idp.pem'), idp.authority.pem)
  writeFileSync(join(folder, 'pinned.json'), JSON.stringify(idp.jwks))
  house = await TestHouse.start({
    users: [
      { name: 'corp', issuer: idp.issuer, client_id: CLIENT, ca_file: join(folder, 'idp.pem'), allow_private: true },
      { name: 'pinned', issuer: 'https://pinned.example', client_id: CLIENT, jwks_file: join(folder, 'pinned.json') },
    ],
  })
  await house.register('invoice-bot')
  bot = await house.enroll('invoice-bot')
})
afterAll(async () => {
  await house.stop()
  await idp.close()
  rmSync(folder, { recursive: true })
})

function claims(changes: JWTPayload = {}): JWTPayload {
  const now = Math.floor(Date.now() / 1000)
  const own = { iss: idp.issuer, sub: '00u1a2b3', aud: CLIENT, iat: now, auth_time: now - 5, exp: now + 300 }
  return { ...own, jti: String(count++), email: 'alice@corp.example', ...changes }
}

async function idToken(changes: JWTPayload = {}): Promise<string> {
  const token = await idp.sign(claims(changes))
  shown.push(token)
  return token
}

const authority = [{ type: 'task', resource: BILLING, actions: ['read', 'pay'] }]
const open = (subject_token: string, change: object = {}): Promise<Reply> =>
  house.ask('/v1/tasks', { as: bot.identity, json: { authority, expires_in: 600, subject_token, ...change } })

const exchange = (form: Record<string, string>): Promise<Reply> =>
  house.ask('/oauth2/token', {
    as: bot.identity,
    form: { grant_type: TOKEN_EXCHANGE_GRANT, client_id: bot.svid.spiffe_id, resource: BILLING, ...form },
  })

async function start(task: string): Promise<Reply> {
  const svid = await house.ask('/v1/jwt-svid', { as: bot.identity, json: { audience: [ISSUER] } })
  return exchange({ subject_token: String(svid.body['token']), subject_token_type: JWT_TYPE, task_id: task })
}

describe('a task for a user', () => {
  it('is opened with their ID token, and its tokens say so to a verifier that is not ours', async () => {
    const opened = await open(await idToken())
    expect(opened).toMatchObject({ status: 201, body: { subject: 'user:corp:00u1a2b3', agent: 'invoice-bot' } })
    const task = String(opened.body['id'])
    const answer = await start(task)
    const keys = (await house.ask('/oauth2/jwks')).body as unknown as JSONWebKeySet
    const verified = await jwtVerify(String(answer.body['access_token']), createLocalJWKSet(keys), {
      issuer: ISSUER,
      audience: BILLING,
      typ: 'at+jwt',
      subject: 'user:corp:00u1a2b3',
    })
    expect(verified.payload).toMatchObject({
      client_id: bot.svid.spiffe_id,
      act: { sub: bot.svid.spiffe_id },
      task: { id: task },
    })
    const narrowed = await exchange({
      subject_token: String(answer.body['access_token']),
      subject_token_type: ACCESS_TOKEN_TYPE,
      scope: 'read',
    })
    expect(decodeJwt(String(narrowed.body['access_token']))).toMatchObject({
      sub: 'user:corp:00u1a2b3',
      txn: verified.payload['txn'],
      act: { sub: bot.svid.spiffe_id },
    })
  })

  it('may be of an issuer whose keys are pinned', async () => {
    const opened = await open(await idToken({ iss: 'https://pinned.example', sub: 'a:b' }))
    expect(opened.body['subject']).toBe('user:pinned:a:b')
  })

  it('follows the keys of the issuer as they change', async () => {
    await idp.addKey('ES256')
    const [, added] = idp.keys
    const token = await idp.sign(claims(), added)
    const opened = await open(token)
    // Keys are fetched at most once within ten seconds, so that nobody makes the server ask at will.
    expect([201, 400]).toContain(opened.status)
    if (opened.status === 400) expect(opened.body['code']).toBe('USER_TOKEN_INVALID')
  })

  it.each<[string, () => Promise<string>, string]>([
    ['for another client', () => idToken({ aud: 'x' }), 'USER_TOKEN_AUDIENCE'],
    ['of an unknown issuer', () => idToken({ iss: 'https://x.example' }), 'USER_TOKEN_ISSUER_UNKNOWN'],
    ['that has expired', () => idToken({ exp: Math.floor(Date.now() / 1000) - 61 }), 'USER_TOKEN_EXPIRED'],
    ['of an old sign-in', () => idToken({ auth_time: Math.floor(Date.now() / 1000) - 3700 }), 'USER_TOKEN_TOO_OLD'],
    ['that nobody has signed', () => Promise.resolve(new UnsecuredJWT(claims()).encode()), 'USER_TOKEN_INVALID'],
    ['that a stranger has signed', forged, 'USER_TOKEN_INVALID'],
    ['with a secret that everybody has', confused, 'USER_TOKEN_ALGORITHM'],
  ])('is refused to an ID token %s', async (_, make, code) => {
    const reply = await open(await make())
    expect({ status: reply.status, code: reply.body['code'] }).toEqual({ status: 400, code })
  })

  it('is refused to the same token again, and of ten at once one is opened', async () => {
    const token = await idToken()
    const replies = await Promise.all(Array.from({ length: 10 }, () => open(token)))
    const codes = replies.map(({ status, body }) => (status === 201 ? 'opened' : body['code']))
    expect(codes.sort()).toEqual([...Array.from({ length: 9 }, () => 'USER_TOKEN_USED'), 'opened'])
  })

  it('is refused without the nonce that was sent, and to a nonce without a token', async () => {
    const reply = await open(await idToken({ nonce: 'n-2' }), { subject_nonce: 'n-1' })
    expect(reply.body['code']).toBe('USER_TOKEN_NONCE')
    const json = { authority, subject_nonce: 'n-1' }
    expect((await house.ask('/v1/tasks', { as: bot.identity, json })).body['code']).toBe('BODY_INVALID')
  })

  async function forged(): Promise<string> {
    const { privateKey } = await generateKeyPair('RS256')
    const kid = idp.keys[0]?.kid ?? ''
    return new SignJWT(claims()).setProtectedHeader({ alg: 'RS256', kid }).sign(privateKey)
  }

  async function confused(): Promise<string> {
    const secret = new TextEncoder().encode(JSON.stringify(idp.jwks))
    return new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', kid: idp.keys[0]?.kid ?? '' }).sign(secret)
  }
})

describe('oauth4webapi', () => {
  it('TE-7 exchanges an ID token of the subject for a task token', async () => {
    const dispatcher = new Agent({
      connect: { ...bot.identity, rejectUnauthorized: false, maxCachedSessions: 0, servername: 'localhost' },
    })
    const local = async (url: string, init: object): Promise<Response> => {
      const there = url.replace(ISSUER, `https://127.0.0.1:${String(house.port)}`)
      const { status, headers, body } = await undiciFetch(there, { ...init, dispatcher })
      return new Response(body, { status, headers: [...headers] })
    }
    const options = { [oauth.customFetch]: local }
    const issuer = new URL(ISSUER)
    const discovered = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...options })
    const as = await oauth.processDiscoveryResponse(issuer, discovered)
    const client = { client_id: bot.svid.spiffe_id, use_mtls_endpoint_aliases: true }
    const task = String((await open(await idToken())).body['id'])
    const ask = async (subject_token: string): Promise<oauth.TokenEndpointResponse> => {
      const parameters = { subject_token, subject_token_type: ID_TOKEN_TYPE, task_id: task, resource: BILLING }
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
    const answer = await ask(await idToken())
    expect(answer).toMatchObject({ token_type: 'bearer', issued_token_type: ACCESS_TOKEN_TYPE, task_id: task })
    expect(decodeJwt(answer.access_token)).toMatchObject({
      sub: 'user:corp:00u1a2b3',
      act: { sub: bot.svid.spiffe_id },
    })
    const failure: unknown = await ask(await idToken({ sub: 'bob' })).catch((error: unknown) => error)
    expect(failure).toMatchObject({ status: 400, error: 'invalid_request' })
    await dispatcher.close()
  })
})

describe('promise 11: no ID token', () => {
  it('is in a line of the log, or in the store and its leaves', async () => {
    const opened = await open(await idToken())
    const [again, foreign] = [shown.at(-1) ?? '', await idToken({ aud: 'x' })]
    for (const text of [again, foreign]) expect((await open(text)).status).toBe(400)
    const task = { subject_token_type: ID_TOKEN_TYPE, task_id: String(opened.body['id']) }
    expect((await exchange({ ...task, subject_token: await idToken() })).status).toBe(200)
    expect((await exchange({ ...task, subject_token: foreign })).status).toBe(400)
    const logged = house.logged.join('\n')
    const files = readdirSync(house.data, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    expect(shown.length).toBeGreaterThan(2)
    expect(files.join('')).toContain('user:corp:00u1a2b3')
    for (const token of shown) {
      for (const part of token.split('.').slice(1)) {
        expect([logged, ...files].filter((text) => text.includes(part))).toEqual([])
      }
    }
    expect(logged + files.join('')).not.toContain('alice@corp.example')
  })
})
