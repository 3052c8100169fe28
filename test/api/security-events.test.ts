import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLocalJWKSet, decodeJwt, jwtVerify, type JSONWebKeySet } from 'jose'
import { SECURITY_EVENTS } from '#jwt/index.ts'
import { eventually, takeToken } from '../support/api-tokens.ts'
import { BILLING, TestHouse, type Ask, type Enrolled, type Reply } from '../support/server.ts'

const US = 'https://id.example.org'

let house: TestHouse
let receiver: Enrolled
let stranger: Enrolled

beforeAll(async () => {
  const unlimited = () => ({ rate: 1e6, burst: 1e6 })
  house = await TestHouse.start({ limits: { address: unlimited(), identity: unlimited() } })
  const resource = { owner: 'finance', actions: ['read', 'pay'] }
  const other = { ...resource, audience: 'https://mail.example.org', spiffe_ids: ['spiffe://example.org/agent/mail'] }
  const billing = { ...resource, audience: BILLING, spiffe_ids: ['spiffe://example.org/agent/billing'] }
  for (const json of [billing, other]) await house.admin('/v1/resources', { json })
  for (const name of ['billing', 'mail']) await house.admin('/v1/agents', { json: { name, owner: 'finance' } })
  receiver = await house.enroll('billing')
  stranger = await house.enroll('mail')
})

afterAll(async () => {
  await house.stop()
})

let agents = 0
async function newBot(): Promise<Enrolled & { readonly name: string }> {
  const name = `bot-${String(++agents)}`
  const permissions = [{ audience: BILLING, actions: ['read', 'pay'] }]
  await house.admin('/v1/agents', { json: { name, owner: 'finance', permissions } })
  return { ...(await house.enroll(name)), name }
}

const ask = (path: string, more: Ask = {}, as = receiver): Promise<Reply> =>
  house.ask(path, { as: as.identity, ...more })

async function newStream(json: object = {}): Promise<string> {
  const reply = await ask('/ssf/streams', { json })
  if (reply.status !== 201) throw new TypeError(`no stream: ${JSON.stringify(reply.body)}`)
  return String(reply.body['stream_id'])
}

const poll = async (stream: string, json: object = {}): Promise<Record<string, string>> => {
  const reply = await ask(`/ssf/poll/${stream}`, { json: { returnImmediately: true, ...json } })
  expect(reply.status).toBe(200)
  return reply.body['sets'] as Record<string, string>
}

interface Event {
  readonly jti: string
  readonly type: string
  readonly event: Record<string, unknown>
  readonly subject: Record<string, string>
}

/** As a stranger to our code: jose, and what the specifications say. */
async function read(token: string): Promise<Event> {
  const keys = createLocalJWKSet((await house.ask('/oauth2/jwks')).body as unknown as JSONWebKeySet)
  const rules = { typ: 'secevent+jwt', issuer: US, audience: BILLING, algorithms: ['RS256'] }
  const { payload } = await jwtVerify(token, keys, rules)
  const [[type, event] = ['', {}], ...others] = Object.entries(payload['events'] as Record<string, Event['event']>)
  expect(others).toEqual([])
  expect(Object.keys(payload)).not.toContain('sub')
  expect(Object.keys(payload)).not.toContain('exp')
  return { jti: String(payload.jti), type, event, subject: payload['sub_id'] as Event['subject'] }
}

async function arrived(stream: string, count: number): Promise<readonly Event[]> {
  const sets = await eventually(
    () => poll(stream),
    (some) => Object.keys(some).length >= count,
  )
  const events = await Promise.all(Object.values(sets).map(read))
  expect(events.map(({ jti }) => jti)).toEqual(Object.keys(sets))
  return events
}

async function end(stream: string): Promise<void> {
  await ask(`/ssf/streams?stream_id=${stream}`, { method: 'DELETE' })
}

/** What a stream is told of that has not said what it wants. */
const USUAL = [SECURITY_EVENTS.sessionRevoked, SECURITY_EVENTS.credentialChange]

describe('the transmitter', () => {
  it('SS-2 says what it is at the well-known place', async () => {
    const reply = await house.ask('/.well-known/ssf-configuration')
    expect(reply.body).toEqual({
      spec_version: '1_0',
      issuer: US,
      jwks_uri: `${US}/oauth2/jwks`,
      delivery_methods_supported: ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936'],
      configuration_endpoint: `${US}/ssf/streams`,
      status_endpoint: `${US}/ssf/status`,
      verification_endpoint: `${US}/ssf/verify`,
      critical_subject_members: [],
      default_subjects: 'ALL',
      authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:8705' }],
    })
  })

  it('SS-3 creates, reads, updates, replaces and deletes streams; without delivery a stream is polled', async () => {
    const made = await ask('/ssf/streams', {
      json: { description: 'ours', events_requested: [SECURITY_EVENTS.sessionRevoked, 'urn:x'] },
    })
    expect(made.status).toBe(201)
    const id = String(made.body['stream_id'])
    expect(made.body).toEqual({
      stream_id: id,
      iss: US,
      aud: BILLING,
      delivery: { method: 'urn:ietf:rfc:8936', endpoint_url: `${US}/ssf/poll/${id}` },
      events_supported: [...USUAL, SECURITY_EVENTS.taskState],
      events_requested: [SECURITY_EVENTS.sessionRevoked, 'urn:x'],
      events_delivered: [SECURITY_EVENTS.sessionRevoked],
      description: 'ours',
    })
    expect((await ask(`/ssf/streams?stream_id=${id}`)).body).toEqual(made.body)
    const changed = await ask('/ssf/streams', { method: 'PATCH', json: { stream_id: id, description: 'mine' } })
    expect(changed.body).toEqual({ ...made.body, description: 'mine' })
    const replaced = await ask('/ssf/streams', { method: 'PUT', json: { stream_id: id } })
    expect(replaced.body).toMatchObject({ events_delivered: USUAL })
    expect(replaced.body).not.toHaveProperty('description')
    expect((await ask(`/ssf/streams?stream_id=${id}`, { method: 'DELETE' })).status).toBe(204)
    expect((await ask(`/ssf/streams?stream_id=${id}`)).body['code']).toBe('SSF_STREAM_UNKNOWN')
  })

  it('SS-3 SS-5 proves that events arrive, with an opaque subject', async () => {
    const id = await newStream()
    expect((await ask('/ssf/verify', { json: { stream_id: id, state: 'abc' } })).status).toBe(204)
    const [event] = await arrived(id, 1)
    expect(event).toMatchObject({
      type: SECURITY_EVENTS.verification,
      event: { state: 'abc' },
      subject: { format: 'opaque', id },
    })
    await end(id)
  })

  it('SS-1 SS-4 SS-5 SS-6 tells that a token was revoked until it is acknowledged, RS256, one event, no sub and no exp', async () => {
    const id = await newStream()
    const bot = await newBot()
    const token = await takeToken(house, bot)
    await house.ask('/oauth2/revoke', { as: bot.identity, form: { token: token.text } })
    const [event] = await arrived(id, 1)
    expect(event).toMatchObject({
      type: SECURITY_EVENTS.sessionRevoked,
      subject: { format: 'jwt_id', iss: US, jti: token.jti },
      event: { initiating_entity: 'admin', reason_admin: { en: 'token.revoked: token.revoked' } },
    })
    const jti = event?.jti ?? ''
    expect(decodeJwt(Object.values(await poll(id))[0] ?? '')).toHaveProperty('txn')
    expect(Object.keys(await poll(id, { maxEvents: 0 }))).toEqual([])
    expect(Object.keys(await poll(id, { ack: [jti, 'never-seen'] }))).toEqual([])
    expect(Object.keys(await poll(id))).toEqual([])
    await end(id)
  })

  it('SS-4 gives no more than is asked for, says that there is more, and takes what could not be used away', async () => {
    const id = await newStream()
    for (const state of ['1', '2', '3']) await ask('/ssf/verify', { json: { stream_id: id, state } })
    const first = await ask(`/ssf/poll/${id}`, { json: { maxEvents: 2, returnImmediately: true } })
    expect(first.body['moreAvailable']).toBe(true)
    const ids = Object.keys(first.body['sets'] as object)
    expect(ids).toHaveLength(2)
    const setErrs = Object.fromEntries(ids.map((one) => [one, { err: 'invalid_request', description: 'no' }]))
    const rest = await ask(`/ssf/poll/${id}`, { json: { setErrs, returnImmediately: true } })
    expect(Object.keys(rest.body['sets'] as object)).toHaveLength(1)
    expect(rest.body['moreAvailable']).toBe(false)
    await end(id)
  })

  it('SS-4 waits for events when it is asked to', async () => {
    const id = await newStream()
    const waiting = ask(`/ssf/poll/${id}`, { json: {} })
    await new Promise((resolve) => setTimeout(resolve, 300))
    await ask('/ssf/verify', { json: { stream_id: id } })
    expect(Object.keys((await waiting).body['sets'] as object)).toHaveLength(1)
    await end(id)
  })

  it('SS-3 holds events while a stream is paused, and forgets them while it is disabled', async () => {
    const id = await newStream()
    const status = (value: string) => ask('/ssf/status', { json: { stream_id: id, status: value, reason: 'ours' } })
    const revoke = async () => {
      const bot = await newBot()
      const token = await takeToken(house, bot)
      await house.ask('/oauth2/revoke', { as: bot.identity, form: { token: token.text } })
      return token.jti
    }
    expect((await status('paused')).body).toEqual({ stream_id: id, status: 'paused', reason: 'ours' })
    const held = await revoke()
    expect(await poll(id)).toEqual({})
    await status('enabled')
    expect((await arrived(id, 1)).map(({ subject }) => subject['jti'])).toEqual([held])
    await status('disabled')
    await revoke()
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect((await status('enabled')).body).toMatchObject({ status: 'enabled' })
    const later = await revoke()
    expect((await arrived(id, 2)).map(({ subject }) => subject['jti'])).toEqual([held, later])
    expect((await ask(`/ssf/status?stream_id=${id}`)).body['status']).toBe('enabled')
    await end(id)
  })
})

describe('SS-7 every path by which something ends tells the receiver', () => {
  const WAYS: readonly (readonly [
    string,
    (bot: Enrolled & { readonly name: string }, token: Awaited<ReturnType<typeof takeToken>>) => Promise<Reply>,
  ])[] = [
    [
      'POST /oauth2/revoke',
      (bot, token) => house.ask('/oauth2/revoke', { as: bot.identity, form: { token: token.text } }),
    ],
    [
      'completing the task',
      (bot, { task }) => house.ask(`/v1/tasks/${task}/complete`, { as: bot.identity, method: 'POST' }),
    ],
    ['revoking the task', (_bot, { task }) => house.admin(`/v1/tasks/${task}/revoke`, { method: 'POST' })],
    ['suspending the task', (_bot, { task }) => house.admin(`/v1/tasks/${task}/suspend`, { method: 'POST' })],
    ['suspending the agent', (bot) => house.admin(`/v1/agents/${bot.name}/suspend`, { json: {} })],
    ['retiring the agent', (bot) => house.admin(`/v1/agents/${bot.name}/retire`, { json: {} })],
    ['revoking the agent', (bot) => revoke('agent', bot.name)],
    ['revoking the instance', (bot) => revoke('instance', bot.svid.spiffe_id.split('/').at(-1) ?? '')],
    ['revoking the certificate', (bot) => revoke('certificate', serialOf(bot))],
    ['revoking the key', (bot) => revoke('certificate', serialOf(bot), 'key_compromise')],
    ['revoking the token by its id', (_bot, { jti }) => revoke('token', jti)],
    ['revoking the subject', (bot) => revoke('subject', bot.svid.spiffe_id)],
    ['revoking the task by handle', (_bot, { task }) => revoke('task', task)],
  ]

  const revoke = (handle: string, value: string, reason = 'unspecified'): Promise<Reply> =>
    house.admin('/v1/revocations', { json: { handle, value, reason } })

  it.each(WAYS)('%s', async (_way, take) => {
    const id = await newStream()
    const bot = await newBot()
    const token = await takeToken(house, bot)
    const reply = await take(bot, token)
    expect([200, 201, 204]).toContain(reply.status)
    const sets = await eventually(
      () => poll(id),
      (some) => Object.keys(some).length > 0,
    )
    const events = await Promise.all(Object.values(sets).map(read))
    const dead = events.filter(({ type }) => type === SECURITY_EVENTS.sessionRevoked)
    expect(dead.map(({ subject }) => subject)).toContainEqual({ format: 'jwt_id', iss: US, jti: token.jti })
    for (const { event } of events) expect((event['reason_admin'] as { en: string }).en).not.toBe('')
    await end(id)
  })
})

function serialOf(bot: Enrolled): string {
  return bot.svid.serial
}

describe('what is refused to receivers', () => {
  it('nobody without a certificate, and nobody who receives for no resource', async () => {
    expect((await house.ask('/ssf/streams')).body['code']).toBe('AUTHENTICATION_REQUIRED')
    const bot = await newBot()
    expect((await ask('/ssf/streams', {}, bot)).body['code']).toBe('SSF_RECEIVER_UNKNOWN')
    expect((await ask('/ssf/streams', { json: {} }, bot)).body['code']).toBe('SSF_RECEIVER_UNKNOWN')
  })

  it('somebody else’s stream is like one that does not exist', async () => {
    const id = await newStream()
    const unknown = 'str_06f5wwhv2rtzka9bfdsk1qpyt4'
    for (const stream_id of [id, unknown]) {
      const as = stream_id === id ? stranger : receiver
      const replies = [
        await ask(`/ssf/streams?stream_id=${stream_id}`, {}, as),
        await ask(`/ssf/streams?stream_id=${stream_id}`, { method: 'DELETE' }, as),
        await ask('/ssf/streams', { method: 'PATCH', json: { stream_id } }, as),
        await ask('/ssf/status', { json: { stream_id, status: 'disabled' } }, as),
        await ask('/ssf/verify', { json: { stream_id } }, as),
        await ask(`/ssf/poll/${stream_id}`, { json: { returnImmediately: true } }, as),
      ]
      expect(replies.map(({ status, body }) => [status, body['code']])).toEqual(
        replies.map(() => [404, 'SSF_STREAM_UNKNOWN']),
      )
    }
    expect((await ask('/ssf/streams', {}, stranger)).body['text']).toBe('[]')
    await end(id)
  })

  it.each([
    ['another resource', { aud: 'https://mail.example.org' }, 403, 'SSF_RECEIVER_UNKNOWN'],
    [
      'another way of delivery',
      { delivery: { method: 'urn:x', endpoint_url: 'https://a.example' } },
      400,
      'SSF_DELIVERY_UNSUPPORTED',
    ],
    ['a push without an address', { delivery: { method: 'urn:ietf:rfc:8935' } }, 400, 'SSF_DELIVERY_UNSUPPORTED'],
    ...[
      'http://receiver.example/x',
      'https://u:p@receiver.example/',
      'https://127.0.0.1/x',
      'https://[::1]/',
      'https://10.0.0.1/',
      'https://169.254.169.254/',
      'https://localhost/',
    ].map(
      (endpoint_url) =>
        [
          `a push to ${endpoint_url}`,
          { delivery: { method: 'urn:ietf:rfc:8935', endpoint_url } },
          400,
          'SSF_ENDPOINT_FORBIDDEN',
        ] as const,
    ),
  ] as const)('%s', async (_what, json, status, code) => {
    const reply = await ask('/ssf/streams', { json })
    expect([reply.status, reply.body['code']]).toEqual([status, code])
  })

  it('a change of the audience, and more streams than eight', async () => {
    const ids: string[] = []
    for (let count = 0; count < 8; count++) ids.push(await newStream())
    expect((await ask('/ssf/streams', { json: {} })).body['code']).toBe('SSF_STREAMS_TOO_MANY')
    const json = { stream_id: ids[0], aud: 'https://mail.example.org' }
    expect((await ask('/ssf/streams', { method: 'PATCH', json })).body['code']).toBe('SSF_STREAM_MISMATCH')
    for (const id of ids) await end(id)
  })
})
