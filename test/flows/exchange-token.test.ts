import { beforeEach, describe, expect, it } from 'vitest'
import { completeTask } from '#flows/complete-task.ts'
import { exchangeToken } from '#flows/exchange-token.ts'
import { replay } from '#policy/index.ts'
import { after } from '#kernel/instant.ts'
import { JWT_TYPE } from '#wire/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { BILLING, ISSUER, MAIL, READ, TaskHouse, type Copy } from '../support/task-house.ts'

let house: TaskHouse
let bot: Copy
let task: string

beforeEach(async () => {
  house = await TaskHouse.build()
  bot = house.addAgent('invoice-bot')
  task = (await house.open(bot)).id
})

describe('an exchange that starts a chain', () => {
  it('TE-7 RAR-2 answers with the token, what was granted, and no refresh token', async () => {
    const answer = await house.start(bot, task)
    const { accessToken, ...rest } = answer
    expect(accessToken.split('.')).toHaveLength(3)
    expect(rest).toEqual({
      issuedTokenType: 'urn:ietf:params:oauth:token-type:access_token',
      tokenType: 'Bearer',
      dpopNonce: null,
      expiresIn: 180,
      scope: 'invoices:pay invoices:read',
      authorizationDetails: [
        {
          type: 'task',
          resource: BILLING,
          actions: ['invoices:read', 'invoices:pay'],
          identifiers: ['inv_17', 'inv_18'],
          constraints: { max_amount: 100 },
        },
      ],
      task,
      transaction: expect.any(String) as string,
    })
  })

  it('AT-1 AT-3 AT-4 MT-2 issues the claims of a task token, bound to the certificate', async () => {
    const { accessToken } = await house.start(bot, task)
    const [header] = accessToken.split('.')
    const key = house.keys['access-token']
    const decoded = JSON.parse(Buffer.from(header ?? '', 'base64url').toString()) as unknown
    expect(decoded).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: key.kid })
    const claims = house.claims(accessToken)
    expect(claims).toMatchObject({
      issuer: ISSUER,
      subject: bot.spiffeId,
      audience: BILLING,
      scope: ['invoices:pay', 'invoices:read'],
      actors: [],
      confirmation: { method: 'x5t#S256', thumbprint: bot.thumbprint },
      attestation: {
        keyClass: 'software',
        attestor: 'join_token',
        evidence: `sha-256:${house.store.all('Instance').find(({ id }) => id === bot.instance)?.evidenceDigest ?? ''}`,
      },
    })
    expect(claims.client.toString()).toBe(bot.spiffeId)
    expect(claims.task.id).toBe(task)
    expect(claims.id).toMatch(/^tok_/)
  })

  it('promise 1: the token is on record before it is signed, and the leaf commits to it', async () => {
    const { accessToken } = await house.start(bot, task)
    const { id } = house.claims(accessToken)
    expect(house.leaves()).toEqual(['task.opened permit', 'token.issued permit'])
    const [, leaf] = house.store.leaves
    expect(leaf?.draft).toMatchObject({ actor: bot.spiffeId, object: `token:${id}` })
    expect(leaf?.draft.commitments['payload']).toMatch(/^sha-256:[0-9a-f]{64}$/)
    expect(leaf?.draft.commitments['task']).toBe(task)
    expect(JSON.stringify(house.store.leaves.map(({ draft }) => draft.commitments))).not.toContain(accessToken)
    expect(house.store.all('TaskToken').map((row) => row.jti)).toEqual([id])
    expect(house.store.events.map((event) => event.type)).toEqual(['task.opened', 'token.issued'])
  })

  it('promise 1: nothing is answered when the leaf cannot be written', async () => {
    house.store.fail = { when: 'before', commit: house.store.commits + 1 }
    expect(await codeOfAsync(() => house.start(bot, task))).toBe('STORE_UNAVAILABLE')
    expect(house.store.all('TaskToken')).toEqual([])
  })

  it('promise 9: the recorded input of the decision gives the same answer again', async () => {
    await house.start(bot, task)
    const draft = house.store.leaves.at(-1)?.draft
    expect(replay(draft?.private?.['input'] ?? '')).toBe('permit')
    expect(draft?.policy).toMatch(/^sha-256:/)
  })

  it('accepts exactly what was asked for, and grants no more', async () => {
    const wanted = [{ ...READ, identifiers: ['inv_17'], constraints: { max_amount: 5, max_calls: 1 } }]
    const answer = await house.start(bot, task, { authorizationDetails: wanted, scope: 'invoices:read' })
    expect(answer.authorizationDetails).toEqual(wanted)
    expect(answer.scope).toBe('invoices:read')
  })

  it('cuts the default down to the scope where only a scope was sent', async () => {
    const answer = await house.start(bot, task, { scope: 'invoices:pay' })
    expect(answer.authorizationDetails.map((detail) => detail.actions)).toEqual([['invoices:pay']])
  })

  it('issues for another resource by another start under the same task', async () => {
    const answer = await house.start(bot, task, { resources: [], audiences: [MAIL] })
    expect(house.claims(answer.accessToken).audience).toBe(MAIL)
  })

  it('ends with the earliest of lifetime, certificate, attestation and task', async () => {
    const short = house.addCertificate(bot, { notAfter: after(house.clock.now(), 90_500) })
    expect((await house.start(short, task)).expiresIn).toBe(90)
    const brief = await house.open(bot, { expiresIn: 60 })
    expect((await house.start(bot, brief.id)).expiresIn).toBe(60)
    const old = house.addAgent('old-bot', { maxAttestationAge: 30_000 })
    expect((await house.start(old, (await house.open(old)).id)).expiresIn).toBe(30)
    house.pass(30)
    const late = { subjectToken: await house.svid(old) }
    const opened = await house.open(old)
    expect(await codeOfAsync(() => house.start(old, opened.id, late))).toBe('TOKEN_LIFETIME_EXHAUSTED')
  })

  it('MT-5 a token dies with the certificate that it is bound to: after a rotation it is exchanged anew', async () => {
    const first = house.addCertificate(bot, { notAfter: after(house.clock.now(), 60_000) })
    const old = await house.start(first, task)
    expect(house.claims(old.accessToken).expiresAt).toBeLessThanOrEqual(after(house.clock.now(), 60_000))
    const renewed = house.addCertificate(bot)
    expect(await codeOfAsync(() => house.narrow(renewed, old.accessToken))).toBe('SUBJECT_TOKEN_NOT_YOURS')
    const anew = await house.start(renewed, task)
    expect(house.claims(anew.accessToken).confirmation).toEqual({
      method: 'x5t#S256',
      thumbprint: renewed.thumbprint,
    })
  })

  it('gives every token its own status index', async () => {
    for (let count = 0; count < 20; count++) await house.start(bot, task)
    const indexes = house.store.all('TaskToken').map((row) => row.statusIndex)
    expect(new Set(indexes).size).toBe(20)
  })
})

describe('what the token endpoint refuses about the request', () => {
  it.each([
    ['TE-1 another grant type', { grantType: 'client_credentials' }, 'GRANT_TYPE_UNSUPPORTED'],
    ['TE-1 no subject token type', { subjectTokenType: null }, 'TOKEN_PARAMETER_MISSING'],
    ['TE-2 an actor token without its type', { actorToken: 'x' }, 'TOKEN_PARAMETER_MISSING'],
    ['TE-2 a type without its actor token', { actorTokenType: JWT_TYPE }, 'TOKEN_PARAMETER_UNEXPECTED'],
    ['an actor token, for now', { actorToken: 'x', actorTokenType: JWT_TYPE }, 'ACTOR_TOKEN_UNSUPPORTED'],
    ['TE-3 a resource with a fragment', { resources: [`${BILLING}#x`] }, 'INVALID_TARGET'],
    ['TE-3 a relative resource', { resources: ['/billing'] }, 'INVALID_TARGET'],
    ['TE-3 two resources', { resources: [BILLING, MAIL] }, 'TARGET_MULTIPLE'],
    ['TE-3 a resource and an audience', { audiences: [BILLING] }, 'TARGET_MULTIPLE'],
    ['AT-5 no resource', { resources: [] }, 'TARGET_MISSING'],
    ['RI-1 an unknown resource', { resources: ['https://unknown.example'] }, 'TARGET_UNKNOWN'],
    ['MT-1 no client_id', { clientId: null }, 'TOKEN_PARAMETER_MISSING'],
    ['MT-1 a client_id of somebody else', { clientId: 'spiffe://example.org/agent/x/i-1' }, 'CLIENT_ID_MISMATCH'],
    [
      'TE-7 a refresh token asked for',
      { requestedTokenType: 'urn:ietf:params:oauth:token-type:refresh_token' },
      'REQUESTED_TOKEN_TYPE_UNSUPPORTED',
    ],
    ['a start without task', { taskId: null }, 'TOKEN_PARAMETER_MISSING'],
    ['RAR-1 an unknown type', { authorizationDetails: [{ ...READ, type: 'other' }] }, 'INVALID_AUTHORIZATION_DETAILS'],
    ['RAR-1 no list', { authorizationDetails: {} }, 'INVALID_AUTHORIZATION_DETAILS'],
    ['a malformed scope', { scope: 'a  b' }, 'INVALID_SCOPE'],
  ])('refuses %s', async (_, change, code) => {
    expect(await codeOfAsync(() => house.start(bot, task, change))).toBe(code)
    expect(house.store.all('TaskToken')).toEqual([])
    expect(house.leaves().at(-1)).toBe(`token.issued deny:${code}`)
  })

  it('TE-1 refuses a request without subject token', async () => {
    const request = { subjectTokenType: JWT_TYPE, taskId: task }
    expect(await codeOfAsync(() => house.exchange(bot, request))).toBe('TOKEN_PARAMETER_MISSING')
  })

  it('refuses whoever is no agent', async () => {
    const request = {} as never
    expect(await codeOfAsync(() => exchangeToken(house.ports, house.anonymous(), request))).toBe(
      'AUTHENTICATION_REQUIRED',
    )
    const operator = house.principal('local:1000', 'admin')
    expect(await codeOfAsync(() => exchangeToken(house.ports, operator, request))).toBe('CALLER_NOT_AGENT')
  })
})

describe('what it refuses about the task', () => {
  it('answers alike for an unknown task and for that of another agent or copy', async () => {
    const thief = house.addAgent('thief')
    const copy = house.addCopy('agt_invoice-bot')
    for (const who of [thief, copy]) expect(await codeOfAsync(() => house.start(who, task))).toBe('TASK_NOT_FOUND')
    const unknown = 'task_00000000000000000000000000'
    expect(await codeOfAsync(() => house.start(bot, unknown))).toBe('TASK_NOT_FOUND')
    expect(await codeOfAsync(() => house.start(bot, "' OR 1=1 --"))).toBe('TASK_NOT_FOUND')
  })

  it('promise 3 signs nothing with a key that another replica has tainted, and the proof is not used up', async () => {
    const subjectToken = await house.svid(bot)
    await house.change('Authority', { kind: 'access-token' }, { state: 'tainted' })
    expect(await codeOfAsync(() => house.start(bot, task, { subjectToken }))).toBe('ISSUANCE_AUTHORITY_CHANGED')
    expect(house.store.all('TaskToken')).toEqual([])
    await house.change('Authority', { kind: 'access-token' }, { state: 'retiring' })
    expect(await codeOfAsync(() => house.start(bot, task, { subjectToken }))).toBe('ACCEPTED')
  })

  it('lets a restarted copy of an agent with one identity use its task', async () => {
    const first = house.addAgent('one-id', { identity: 'agent' })
    const opened = await house.open(first)
    const second = house.addCopy('agt_one-id')
    expect(await codeOfAsync(() => house.start(second, opened.id))).toBe('ACCEPTED')
  })

  it('refuses a task that has ended, by somebody or by time', async () => {
    const brief = await house.open(bot, { expiresIn: 60 })
    await completeTask(house.ports, house.caller(bot), task)
    expect(await codeOfAsync(() => house.start(bot, task))).toBe('TASK_COMPLETED')
    house.pass(60)
    expect(await codeOfAsync(() => house.start(bot, brief.id))).toBe('TASK_EXPIRED')
  })

  it.each([
    [
      'an action that the task does not have',
      [{ ...READ, actions: ['invoices:delete'], identifiers: ['inv_17'], constraints: { max_amount: 1 } }],
    ],
    ['identifiers left out', [{ ...READ, constraints: { max_amount: 1 } }]],
    [
      'an identifier that the task does not have',
      [{ ...READ, identifiers: ['inv_19'], constraints: { max_amount: 1 } }],
    ],
    ['a limit raised', [{ ...READ, identifiers: ['inv_17'], constraints: { max_amount: 101 } }]],
    ['a limit left out', [{ ...READ, identifiers: ['inv_17'] }]],
    ['another resource than the target', [{ type: 'task', resource: MAIL, actions: ['mail:send'] }]],
  ])('promise 4: refuses %s', async (_, authorizationDetails) => {
    expect(await codeOfAsync(() => house.start(bot, task, { authorizationDetails }))).toBe(
      'AUTHORIZATION_DETAILS_WIDENED',
    )
  })

  it('promise 4: refuses a wider scope, and one that says something else than the details', async () => {
    expect(await codeOfAsync(() => house.start(bot, task, { scope: 'invoices:read mail:send' }))).toBe('SCOPE_WIDENED')
    const authorizationDetails = [{ ...READ, identifiers: ['inv_17'], constraints: { max_amount: 1 } }]
    const wider = { authorizationDetails, scope: 'invoices:read invoices:pay' }
    expect(await codeOfAsync(() => house.start(bot, task, wider))).toBe('SCOPE_WIDENED')
    const both = [{ ...authorizationDetails[0], actions: ['invoices:read', 'invoices:pay'] }]
    const vague = { authorizationDetails: both, scope: 'invoices:read' }
    expect(await codeOfAsync(() => house.start(bot, task, vague))).toBe('INVALID_SCOPE')
  })

  it('RI-1 refuses a resource that the task says nothing about', async () => {
    const narrow = await house.open(bot, { authority: [READ] })
    expect(await codeOfAsync(() => house.start(bot, narrow.id, { resources: [MAIL] }))).toBe('TARGET_NOT_GRANTED')
  })

  it('promise 2: refuses what the registration has lost since the task was opened', async () => {
    await lose({ permissions: [{ audience: BILLING, actions: ['invoices:pay'] }] })
    expect(await codeOfAsync(() => house.start(bot, task))).toBe('POLICY_ACTION')
    const leaf = house.store.leaves.at(-1)?.draft
    expect(leaf?.decision).toBe('deny:POLICY_ACTION')
    expect(leaf?.policy).toMatch(/^sha-256:/)
    expect(leaf?.inputDigest).toMatch(/^sha-256:/)
  })

  it('promise 2: refuses a suspended agent', async () => {
    await lose({ state: 'suspended' })
    expect(await codeOfAsync(() => house.start(bot, task))).toBe('POLICY_AGENT_NOT_ACTIVE')
  })

  it('TOKEN_TOO_LARGE refuses more authority than fits into a token', async () => {
    const identifiers = Array.from({ length: 200 }, (_, index) => `invoice-number-${String(index)}`)
    const opened = await house.open(bot, { authority: [{ ...READ, identifiers }] })
    expect(await codeOfAsync(() => house.start(bot, opened.id))).toBe('TOKEN_TOO_LARGE')
  })

  function lose(set: object): Promise<void> {
    return house.change('Agent', { id: bot.agent }, { version: 2, ...set })
  }
})
