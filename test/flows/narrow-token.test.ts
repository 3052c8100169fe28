import { beforeEach, describe, expect, it } from 'vitest'
import { completeTask } from '#flows/complete-task.ts'
import { resumeTask } from '#flows/resume-task.ts'
import { revokeToken } from '#flows/revoke-token.ts'
import { suspendTask } from '#flows/suspend-task.ts'
import { FOR_EVER, type CutoffKind } from '#revocation/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { BILLING, MAIL, READ, TaskHouse, type Copy, spkiHashOf } from '../support/task-house.ts'
import { rawToken } from '../support/tokens.ts'

let house: TaskHouse
let bot: Copy
let task: string
let parent: string

const ONE = { ...READ, identifiers: ['inv_17'], constraints: { max_amount: 5 } }

beforeEach(async () => {
  house = await TaskHouse.build()
  bot = house.addAgent('invoice-bot')
  task = (await house.open(bot)).id
  parent = (await house.start(bot, task)).accessToken
})

describe('an exchange that narrows', () => {
  it('derives a token of the same task, subject, transaction and key', async () => {
    const { accessToken } = await house.narrow(bot, parent, { authorizationDetails: [ONE] })
    const [above, below] = [house.claims(parent), house.claims(accessToken)]
    const { subject, transaction, task: work, confirmation, audience, actors } = above
    expect(below).toMatchObject({ subject, transaction, task: work, confirmation, audience, actors })
    expect(below.authority).toEqual([ONE])
    expect(below.id).not.toBe(above.id)
    const row = house.store.all('TaskToken').find(({ jti }) => jti === below.id)
    expect(row).toMatchObject({ parent: above.id, ancestors: [above.id] })
    expect(house.store.leaves.at(-1)?.draft.commitments).toMatchObject({ parent: above.id, task })
  })

  it('TE-11 keeps subject and actor chain over every step, however deep', async () => {
    const own = house.store.all('Task').find(({ id }) => id === task)
    if (own === undefined) throw new TypeError('no task')
    const subject = 'user:corp-idp:00u1a2b3'
    const forUser = { ...own, id: 'task_00000000000000000000000077', subject, transaction: 'txn-of-the-user' }
    house.store.seed('Task', forUser)
    let token = (await house.start(bot, forUser.id)).accessToken
    for (let depth = 0; depth <= forUser.maxDepth; depth++) {
      const claims = house.claims(token)
      expect(claims).toMatchObject({ subject, transaction: forUser.transaction })
      expect(claims.actors.map((actor) => actor.toString())).toEqual([bot.spiffeId])
      if (depth < forUser.maxDepth) token = (await house.narrow(bot, token)).accessToken
    }
    const impersonation = { actorToken: null, requestedTokenType: 'urn:ietf:params:oauth:token-type:id_token' }
    expect(await codeOfAsync(() => house.narrow(bot, token, impersonation))).toBe('REQUESTED_TOKEN_TYPE_UNSUPPORTED')
  })

  it('takes what the parent has as default, never what the task has', async () => {
    const narrow = await house.narrow(bot, parent, { authorizationDetails: [ONE] })
    const again = await house.narrow(bot, narrow.accessToken)
    expect(again.authorizationDetails).toEqual([ONE])
    expect(again.scope).toBe('invoices:read')
  })

  it('promise 4: never outlives its parent', async () => {
    house.pass(100)
    expect((await house.narrow(bot, parent)).expiresIn).toBe(80)
    house.pass(79)
    const late = await house.narrow(bot, parent)
    expect(late.expiresIn).toBe(1)
    house.pass(1)
    expect(await codeOfAsync(() => house.narrow(bot, parent))).toMatch(
      /^(SUBJECT_TOKEN_DEAD|TOKEN_LIFETIME_EXHAUSTED)$/,
    )
  })

  it.each([
    ['an action', [{ ...ONE, actions: ['invoices:pay'] }]],
    ['an identifier', [{ ...ONE, identifiers: ['inv_17', 'inv_18'] }]],
    ['no identifiers', [{ ...READ, constraints: { max_amount: 5 } }]],
    ['a higher limit', [{ ...ONE, constraints: { max_amount: 6 } }]],
    ['no limit', [{ ...READ, identifiers: ['inv_17'] }]],
    ['a second entry', [ONE, { ...ONE, identifiers: ['inv_18'] }]],
  ])('promise 4: refuses %s that the parent does not have, though the task has it', async (_, authorizationDetails) => {
    const { accessToken } = await house.narrow(bot, parent, { authorizationDetails: [ONE] })
    const code = await codeOfAsync(() => house.narrow(bot, accessToken, { authorizationDetails }))
    expect(code).toBe('AUTHORIZATION_DETAILS_WIDENED')
  })

  it('promise 4: refuses a wider scope and another audience', async () => {
    const { accessToken } = await house.narrow(bot, parent, { scope: 'invoices:read' })
    expect(await codeOfAsync(() => house.narrow(bot, accessToken, { scope: 'invoices:pay' }))).toBe('SCOPE_WIDENED')
    expect(await codeOfAsync(() => house.narrow(bot, parent, { resources: [MAIL] }))).toBe('TARGET_CHANGED')
  })

  it('promise 4: refuses more depth than the task allows', async () => {
    const opened = await house.open(bot, { maxDepth: 2 })
    let token = (await house.start(bot, opened.id)).accessToken
    for (let depth = 1; depth <= 2; depth++) token = (await house.narrow(bot, token)).accessToken
    expect(await codeOfAsync(() => house.narrow(bot, token))).toBe('DEPTH_EXCEEDED')
  })

  it('derives as many tokens as the task allows and not one more, however many ask at once', async () => {
    const opened = await house.open(bot, { maxDerivations: 7 })
    const { accessToken } = await house.start(bot, opened.id)
    const codes = await Promise.all(Array.from({ length: 30 }, () => codeOfAsync(() => house.narrow(bot, accessToken))))
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(7)
    expect(codes.filter((code) => code === 'DERIVATIONS_EXHAUSTED')).toHaveLength(23)
    expect(await codeOfAsync(() => house.start(bot, opened.id))).toBe('ACCEPTED')
  })

  it('promise 5 TE-12: refuses a stolen token, from another certificate, copy or agent', async () => {
    const renewed = house.addCertificate(bot)
    const copy = house.addCopy(bot.agent)
    const thief = house.addAgent('thief')
    for (const who of [renewed, copy, thief]) {
      expect(await codeOfAsync(() => house.narrow(who, parent))).toBe('SUBJECT_TOKEN_NOT_YOURS')
    }
    expect(house.leaves().at(-1)).toBe('token.issued deny:SUBJECT_TOKEN_NOT_YOURS')
  })

  it('promise 5 TE-12: refuses the token of another copy that shares the SPIFFE ID', async () => {
    const first = house.addAgent('one-id', { identity: 'agent' })
    const second = house.addCopy(first.agent)
    const opened = await house.open(first)
    const { accessToken } = await house.start(first, opened.id)
    expect(await codeOfAsync(() => house.narrow(second, accessToken))).toBe('SUBJECT_TOKEN_NOT_YOURS')
  })

  it('refuses a task_id that is not that of the token', async () => {
    const other = (await house.open(bot)).id
    expect(await codeOfAsync(() => house.narrow(bot, parent, { taskId: other }))).toBe('SUBJECT_TOKEN_OTHER_TASK')
    expect(await codeOfAsync(() => house.narrow(bot, parent, { taskId: task }))).toBe('ACCEPTED')
  })

  it('TE-4 refuses a token of ours that is on no record', async () => {
    const key = house.keys['access-token']
    const [header, payload] = parent.split('.').map((part) => Buffer.from(part, 'base64url').toString())
    const claims = { ...(JSON.parse(payload ?? '') as object), jti: 'tok_00000000000000000000000000' }
    const unknown = rawToken(header ?? '', claims, key)
    expect(await codeOfAsync(() => house.narrow(bot, unknown))).toBe('SUBJECT_TOKEN_INVALID')
  })

  it('TE-10 refuses a task token with may_act, whomever it names', async () => {
    const key = house.keys['access-token']
    const [header, payload] = parent.split('.').map((part) => Buffer.from(part, 'base64url').toString())
    const claims = { ...(JSON.parse(payload ?? '') as object), may_act: { sub: 'spiffe://example.org/agent/x/i-1' } }
    const token = rawToken(header ?? '', claims, key)
    expect(await codeOfAsync(() => house.narrow(bot, token))).toBe('SUBJECT_TOKEN_INVALID')
  })

  it.each(['JWT', 'wit+jwt', 'secevent+jwt', 'txntoken+jwt', 'token-introspection+jwt'])(
    'TE-4 refuses its own claims under type %s',
    async (typ) => {
      const key = house.keys['access-token']
      const payload = Buffer.from(parent.split('.')[1] ?? '', 'base64url').toString()
      const token = rawToken({ alg: 'ES256', typ, kid: key.kid }, payload, key)
      expect(await codeOfAsync(() => house.narrow(bot, token))).toMatch(/^SUBJECT_TOKEN_/)
    },
  )
})

describe('promise 3: a dead chain is never extended', () => {
  let child: string
  let grandchild: string

  beforeEach(async () => {
    child = (await house.narrow(bot, parent)).accessToken
    grandchild = (await house.narrow(bot, child)).accessToken
  })

  it('RV-2 revoking any token ends everything below it and nothing above', async () => {
    await revokeToken(house.ports, house.caller(bot), { token: child })
    expect(await codeOfAsync(() => house.narrow(bot, child))).toBe('SUBJECT_TOKEN_DEAD')
    expect(await codeOfAsync(() => house.narrow(bot, grandchild))).toBe('SUBJECT_TOKEN_DEAD')
    expect(await codeOfAsync(() => house.narrow(bot, parent))).toBe('ACCEPTED')
  })

  it('completing the task ends the chain', async () => {
    await completeTask(house.ports, house.caller(bot), task)
    for (const token of [parent, child, grandchild]) {
      expect(await codeOfAsync(() => house.narrow(bot, token))).toBe('TASK_COMPLETED')
    }
  })

  it('suspending the task ends the chain for good: after resume only a new start works', async () => {
    const owner = house.principal('team-billing')
    await suspendTask(house.ports, owner, task)
    expect(await codeOfAsync(() => house.narrow(bot, child))).toBe('TASK_SUSPENDED')
    expect(await codeOfAsync(() => house.start(bot, task))).toBe('TASK_SUSPENDED')
    await resumeTask(house.ports, owner, task)
    expect(await codeOfAsync(() => house.start(bot, task))).toBe('ISSUANCE_PAUSED')
    house.pass(1)
    expect(await codeOfAsync(() => house.narrow(bot, child))).toBe('SUBJECT_TOKEN_DEAD')
    const fresh = await house.start(bot, task)
    expect(await codeOfAsync(() => house.narrow(bot, fresh.accessToken))).toBe('ACCEPTED')
  })

  it('suspending the agent ends its chains and its proofs for good, and not its certificate', async () => {
    const svid = await house.svid(bot)
    house.pass(1)
    await house.cutOff('actor', bot.agent)
    expect(await codeOfAsync(() => house.narrow(bot, child))).toBe('SUBJECT_TOKEN_DEAD')
    expect(await codeOfAsync(() => house.start(bot, task, { subjectToken: svid }))).toBe('SUBJECT_TOKEN_DEAD')
    expect(await codeOfAsync(() => house.start(bot, task))).toBe('ACCEPTED')
  })

  it.each<[CutoffKind, () => string | undefined]>([
    ['trust-domain', () => 'example.org'],
    ['authority', () => 'aut_x509'],
    ['node', () => 'nod_1'],
    ['agent', () => bot.agent],
    ['instance', () => bot.instance],
    ['lineage', () => house.store.all('Instance')[0]?.lineage],
    ['spki', () => spkiHashOf(bot.serial)],
    ['evidence', () => house.store.all('Instance')[0]?.evidenceDigest],
    ['selector', () => 'join_token:x'],
  ])('a cutoff of the %s reaches the certificate, and with it every exchange', async (kind, value) => {
    house.pass(1)
    await house.cutOff(kind, value() ?? '')
    expect(await codeOfAsync(() => house.narrow(bot, child))).toBe('SUBJECT_TOKEN_DEAD')
    expect(await codeOfAsync(() => house.start(bot, task))).toBe('CUT_OFF')
    const leaf = house.store.leaves.at(-1)?.draft
    expect(leaf).toMatchObject({ type: 'token.issued', decision: 'deny:CUT_OFF' })
  })

  it.each<[CutoffKind, () => string]>([
    ['task', () => task],
    ['subject', () => bot.spiffeId],
    ['token', () => house.claims(parent).id],
  ])('a cutoff of the %s reaches every token under it', async (kind, value) => {
    await house.cutOff(kind, value(), FOR_EVER)
    expect(await codeOfAsync(() => house.narrow(bot, grandchild))).toBe('SUBJECT_TOKEN_DEAD')
  })

  it('the end of certificate, instance or agent ends the chain', async () => {
    const cases = [
      () => house.change('Certificate', { serial: bot.serial }, { state: 'revoked' }),
      () => house.change('Instance', { id: bot.instance }, { state: 'revoked' }),
      () => house.change('Agent', { id: bot.agent }, { state: 'retired' }),
    ]
    for (const end of cases) {
      await end()
      expect(await codeOfAsync(() => house.narrow(bot, child))).toBe('SUBJECT_TOKEN_DEAD')
    }
  })

  it.each(['parent', 'ancestor'])(
    'a revoked %s is seen at the commit by its row alone, without a cutoff',
    async (which) => {
      const { parent: above } = house.store.all('TaskToken').find(({ jti }) => jti === house.claims(child).id) ?? {}
      const jti = which === 'parent' ? house.claims(child).id : (above ?? '')
      const commit = house.store.commit.bind(house.store)
      const late = house.store as { commit: typeof commit }
      late.commit = async (order) => {
        late.commit = commit
        await house.change('TaskToken', { jti }, { revokedAt: house.clock.now() })
        return commit(order)
      }
      expect(await codeOfAsync(() => house.narrow(bot, child))).toBe('SUBJECT_TOKEN_DEAD')
      expect(house.store.all('Cutoff')).toEqual([])
    },
  )

  it('an end that comes between decision and commit is seen by the guards', async () => {
    const before = house.store.all('TaskToken').length
    const ends: [() => Promise<unknown>, RegExp][] = [
      [() => revokeToken(house.ports, house.caller(bot), { token: parent }), /^(SUBJECT_TOKEN_DEAD|CUT_OFF)$/],
      [
        () => house.change('Resource', { audience: BILLING }, { state: 'retired' }),
        /^(TARGET_UNKNOWN|SUBJECT_TOKEN_DEAD)$/,
      ],
      [
        () => house.change('Certificate', { serial: bot.serial }, { state: 'revoked' }),
        /^(STANDING_CHANGED|SUBJECT_TOKEN_DEAD|TARGET_UNKNOWN)$/,
      ],
    ]
    for (const [end, code] of ends) {
      const commit = house.store.commit.bind(house.store)
      const late = house.store as { commit: typeof commit }
      // The exchange decides on what it read; the end is committed first.
      late.commit = async (order) => {
        late.commit = commit
        await end()
        return commit(order)
      }
      expect(await codeOfAsync(() => house.narrow(bot, child))).toMatch(code)
      late.commit = commit
    }
    expect(house.store.all('TaskToken')).toHaveLength(before)
  })
})
