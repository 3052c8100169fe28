import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { BILLING, TestHouse, type Enrolled, type Reply } from '../support/server.ts'

const ALICE = 'user:corp:alice'
const ISSUER = 'https://id.example.org'

/** A whole server, an agent, and an orchestrator on another machine with a certificate of its own. */
let house: TestHouse
let bot: Enrolled
let scheduler: Enrolled
let principal: string

beforeAll(async () => {
  house = await TestHouse.start()
  await house.register('invoice-bot')
  bot = await house.enroll('invoice-bot')
  await house.admin('/v1/agents', {
    json: { name: 'scheduler', owner: 'ops', path: '/admin/scheduler', identity: 'agent' },
  })
  const added = await house.admin('/v1/principals', {
    json: {
      subject: 'spiffe://example.org/admin/scheduler',
      name: 'scheduler',
      roles: ['orchestrator'],
      subjects: ['user:corp:*'],
      agents: ['invoice-bot'],
    },
  })
  expect(added.status).toBe(201)
  principal = String(added.body['id'])
  scheduler = await house.enroll('scheduler')
})
afterAll(() => house.stop())

const open = (change: object = {}, as = scheduler): Promise<Reply> =>
  house.ask('/v1/tasks', {
    as: as.identity,
    json: {
      agent: 'invoice-bot',
      subject: ALICE,
      authority: [{ type: 'task', resource: BILLING, actions: ['read'] }],
      expires_in: 600,
      ...change,
    },
  })

async function start(task: string): Promise<Reply> {
  const svid = await house.ask('/v1/jwt-svid', { as: bot.identity, json: { audience: [ISSUER] } })
  return house.ask('/oauth2/token', {
    as: bot.identity,
    form: {
      grant_type: TOKEN_EXCHANGE_GRANT,
      client_id: bot.svid.spiffe_id,
      subject_token: String(svid.body['token']),
      subject_token_type: JWT_TYPE,
      task_id: task,
      resource: BILLING,
    },
  })
}

describe('an orchestrator, over https with its certificate', () => {
  it('opens a task for a listed user, under which the agent gets a token for that user', async () => {
    const opened = await open()
    expect(opened).toMatchObject({
      status: 201,
      body: {
        agent: 'invoice-bot',
        instance: null,
        subject: ALICE,
        created_by: 'spiffe://example.org/admin/scheduler',
        state: 'active',
      },
    })
    const answer = await start(String(opened.body['id']))
    expect(answer.status).toBe(200)
    const claims = JSON.parse(
      Buffer.from(String(answer.body['access_token']).split('.')[1] ?? '', 'base64url').toString(),
    ) as Record<string, unknown>
    expect(claims).toMatchObject({
      sub: ALICE,
      client_id: bot.svid.spiffe_id,
      act: { sub: bot.svid.spiffe_id },
      task: { id: opened.body['id'] },
    })
    const ended = await house.ask(`/v1/tasks/${String(opened.body['id'])}/complete`, {
      as: scheduler.identity,
      json: {},
    })
    expect(ended.body['state']).toBe('completed')
    expect((await start(String(opened.body['id']))).body['error_code'] ?? '').not.toBe('')
  })

  it.each([
    ['a user who is not in the list', { subject: 'user:other:alice' }, 403, 'TASK_SUBJECT_NOT_ALLOWED'],
    ['an agent that is not in the list', { agent: 'scheduler' }, 403, 'TASK_AGENT_NOT_ALLOWED'],
    ['an unknown agent', { agent: 'nobody' }, 404, 'AGENT_UNKNOWN'],
    [
      'an action that the agent does not have',
      { authority: [{ type: 'task', resource: BILLING, actions: ['x'] }] },
      400,
      'TARGET_ACTION_UNKNOWN',
    ],
    ['a subject with a control character', { subject: 'user:corp:a\u0000' }, 400, 'BODY_INVALID'],
  ])('is refused %s', async (_, change, status, code) => {
    const reply = await open(change)
    expect({ status: reply.status, code: reply.body['code'] }).toEqual({ status, code })
  })

  it('is the only one to name a subject: an agent is refused', async () => {
    const reply = await open({}, bot)
    expect({ status: reply.status, code: reply.body['code'] }).toEqual({ status: 403, code: 'TASK_ORDER_FORBIDDEN' })
  })

  it('loses a subject at the next request', async () => {
    const lists = { subjects: ['user:corp:bob'], agents: ['invoice-bot'] }
    const set = await house.admin(`/v1/principals/${principal}/orchestration`, { json: lists })
    expect(set).toMatchObject({ status: 200, body: { id: principal, ...lists } })
    expect((await open()).body['code']).toBe('TASK_SUBJECT_NOT_ALLOWED')
    expect((await open({ subject: 'user:corp:bob' })).status).toBe(201)
    const back = { ...lists, subjects: ['user:corp:*'] }
    await house.admin(`/v1/principals/${principal}/orchestration`, { json: back })
    expect((await open()).status).toBe(201)
  })
})
