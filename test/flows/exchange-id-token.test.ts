import { beforeEach, describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { toNumericDate } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import { ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, JWT_TYPE } from '#wire/index.ts'
import { IDP_KEYS } from '../fakes/users.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { idToken } from '../support/id-tokens.ts'
import { orchestrate, orchestratorOf } from '../support/orchestrators.ts'
import { BILLING, TaskHouse, type Copy } from '../support/task-house.ts'
import { rawToken } from '../support/tokens.ts'

const ALICE = 'user:corp:alice'
let house: TaskHouse
let bot: Copy
let task: string

beforeEach(async () => {
  house = await TaskHouse.build()
  bot = house.addAgent('invoice-bot')
  const scheduler = orchestratorOf(house, ['user:corp:*'], ['invoice-bot'])
  task = (await orchestrate(house, scheduler, { agent: 'invoice-bot', subject: ALICE })).id
})

const token = (changes: object = {}, how: Parameters<typeof idToken>[2] = {}) =>
  idToken(house.clock.now(), changes, how)
const start = (subjectToken: string, change: object = {}) =>
  house.start(bot, task, { subjectToken, subjectTokenType: ID_TOKEN_TYPE, ...change })
const refused = (subjectToken: string, change: object = {}) => codeOfAsync(() => start(subjectToken, change))

describe('an exchange that starts with an ID token of the subject', () => {
  it('TE-8 AT-3 issues a token for the user, with the agent as its actor, bound to the agent’s certificate', async () => {
    const { accessToken } = await start(token())
    const claims = house.claims(accessToken)
    expect(claims).toMatchObject({
      subject: ALICE,
      audience: BILLING,
      confirmation: { method: 'x5t#S256', thumbprint: bot.thumbprint },
    })
    expect(claims.actors.map(String)).toEqual([bot.spiffeId])
    expect(claims.client.toString()).toBe(bot.spiffeId)
    expect(claims.task.id).toBe(task)
  })

  it('TE-11 keeps subject, actor, txn and task below it', async () => {
    const first = await start(token())
    const second = await house.narrow(bot, first.accessToken)
    const [above, below] = [house.claims(first.accessToken), house.claims(second.accessToken)]
    expect(below).toMatchObject({ subject: ALICE, transaction: above.transaction, task: above.task })
    expect(below.actors.map(String)).toEqual([bot.spiffeId])
  })

  it('promise 3: takes it once, also of a hundred at once, and not if it has opened a task', async () => {
    const text = token()
    const codes = await Promise.all(Array.from({ length: 100 }, () => refused(text)))
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(codes.filter((code) => code === 'USER_TOKEN_USED')).toHaveLength(99)
    const opening = token()
    const opened = await house.open(bot, { user: { token: new Secret(opening), nonce: null } })
    expect(await refused(opening, { taskId: opened.id })).toBe('USER_TOKEN_USED')
    const spent = await codeOfAsync(() => house.open(bot, { user: { token: new Secret(text), nonce: null } }))
    expect(spent).toBe('USER_TOKEN_USED')
  })

  it('promise 3: takes none from before the user was cut off, and pauses what is new', async () => {
    const old = token()
    house.pass(90)
    await house.cutOff('subject', ALICE)
    house.pass(2)
    expect(await refused(old)).toBe('USER_TOKEN_CUT_OFF')
    house.pass(60)
    expect(await refused(token())).toBe('ACCEPTED')
  })

  it('TE-10 enforces may_act', async () => {
    expect(await refused(token({ may_act: { sub: 'spiffe://example.org/agent/other/i-1' } }))).toBe('MAY_ACT_REFUSED')
    expect(await refused(token({ may_act: null }))).toBe('MAY_ACT_REFUSED')
    expect(await refused(token({ may_act: { sub: bot.spiffeId } }))).toBe('ACCEPTED')
  })
})

describe('what it refuses', () => {
  it.each<[string, () => string, string]>([
    ['the ID token of another user', () => token({ sub: 'bob' }), 'SUBJECT_TOKEN_OTHER_SUBJECT'],
    [
      'that of the same sub of another issuer',
      () => token({ iss: 'https://login.partner.example', aud: 'writ-at-partner' }, { key: IDP_KEYS.partner }),
      'SUBJECT_TOKEN_OTHER_SUBJECT',
    ],
    ['TE-4 of an unknown issuer', () => token({ iss: 'https://x.example' }), 'USER_TOKEN_ISSUER_UNKNOWN'],
    ['TE-4 for another client', () => token({ aud: 'x' }), 'USER_TOKEN_AUDIENCE'],
    ['TE-4 one that has expired', () => token({ exp: toNumericDate(house.clock.now()) - 61 }), 'USER_TOKEN_EXPIRED'],
    [
      'TE-4 of an old sign-in',
      () => token({ auth_time: toNumericDate(house.clock.now()) - 3601 }),
      'USER_TOKEN_TOO_OLD',
    ],
    ['TE-4 that another key has signed', () => token({}, { key: IDP_KEYS.partner }), 'USER_TOKEN_INVALID'],
    ['TE-4 with a sub nobody can have', () => token({ sub: 'al ice' }), 'USER_TOKEN_SUBJECT'],
  ])('%s, on record', async (_, make, code) => {
    expect(await refused(make())).toBe(code)
    expect(house.store.all('TaskToken')).toEqual([])
    expect(house.leaves().at(-1)).toBe(`token.issued deny:${code}`)
  })

  it('TE-4 each kind in the slot of every other', async () => {
    const { accessToken } = await house.start(bot, task)
    const kinds = { [ID_TOKEN_TYPE]: token(), [JWT_TYPE]: await house.svid(bot), [ACCESS_TOKEN_TYPE]: accessToken }
    for (const [declared] of Object.entries(kinds)) {
      for (const [real, text] of Object.entries(kinds)) {
        if (real === declared) continue
        expect(await refused(text, { subjectTokenType: declared })).toBe('SUBJECT_TOKEN_TYPE_UNSUPPORTED')
      }
    }
  })

  it('an ID token for a task of the agent itself, and for one of another agent', async () => {
    const own = (await house.open(bot)).id
    expect(await refused(token(), { taskId: own })).toBe('SUBJECT_TOKEN_OTHER_SUBJECT')
    const thief = house.addAgent('thief')
    const steal = () => house.start(thief, task, { subjectToken: token(), subjectTokenType: ID_TOKEN_TYPE })
    expect(await codeOfAsync(steal)).toBe('TASK_NOT_FOUND')
  })

  it('an ID token without the task that it is for', async () => {
    expect(await refused(token(), { taskId: null })).toBe('TOKEN_PARAMETER_MISSING')
  })

  it('a task that has ended by time', async () => {
    house.pass(86_400)
    expect(await refused(token())).toBe('TASK_EXPIRED')
  })

  it('TE-4 an ID token of a workload that the identity provider has signed', async () => {
    const { kid } = IDP_KEYS.corp
    const now = toNumericDate(house.clock.now())
    const claims = { iss: 'https://id.example.org/spiffe', sub: bot.spiffeId, aud: 'https://id.example.org' }
    const forged = rawToken(
      { alg: 'ES256', typ: 'JWT', kid },
      { ...claims, iat: now, exp: now + 60, jti: 'x' },
      IDP_KEYS.corp,
    )
    expect(await refused(forged, { subjectTokenType: JWT_TYPE })).toBe('SUBJECT_TOKEN_INVALID')
    expect(await refused(forged)).toBe('SUBJECT_TOKEN_TYPE_UNSUPPORTED')
  })
})

describe('promise 4: only narrower, for users as well', () => {
  const detail = fc.record({
    actions: fc.subarray(['invoices:read', 'invoices:pay'], { minLength: 1 }),
    identifiers: fc.option(fc.subarray(['inv_17', 'inv_18', 'inv_19'], { minLength: 1 })),
    amount: fc.option(fc.integer({ min: 0, max: 200 })),
  })

  it('no chain under a task for a user gets wider, and its sub never changes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(detail, { minLength: 1, maxLength: 3 }), async (steps) => {
        let { accessToken } = await start(token())
        for (const { actions, identifiers, amount } of steps) {
          const above = house.claims(accessToken)
          const wanted = {
            type: 'task' as const,
            resource: BILLING,
            actions,
            ...(identifiers === null ? {} : { identifiers }),
            ...(amount === null ? {} : { constraints: { max_amount: amount } }),
          }
          const [entry] = above.authority
          const fits =
            actions.every((action) => entry?.actions.includes(action)) &&
            identifiers !== null &&
            identifiers.every((one) => entry?.identifiers?.includes(one)) &&
            amount !== null &&
            amount <= (entry?.constraints?.['max_amount'] ?? -1)
          const ask = () => house.narrow(bot, accessToken, { authorizationDetails: [wanted] })
          if (!fits) {
            expect(await codeOfAsync(ask)).toBe('AUTHORIZATION_DETAILS_WIDENED')
            continue
          }
          ;({ accessToken } = await ask())
          const below = house.claims(accessToken)
          expect(below).toMatchObject({ subject: ALICE, transaction: above.transaction, task: above.task })
          expect(below.actors.map(String)).toEqual([bot.spiffeId])
          expect(below.expiresAt).toBeLessThanOrEqual(above.expiresAt)
        }
      }),
      { numRuns: 60 },
    )
  })
})
