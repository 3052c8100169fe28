import { beforeEach, describe, expect, it } from 'vitest'
import type { Caller } from '#authentication/index.ts'
import { setOrchestration } from '#flows/admin/principals.ts'
import { completeTask } from '#flows/complete-task.ts'
import { listTasks } from '#flows/list-tasks.ts'
import { resumeTask } from '#flows/resume-task.ts'
import { showTask } from '#flows/show-task.ts'
import { suspendTask } from '#flows/suspend-task.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { orchestrate as orchestrateAs, orchestratorOf } from '../support/orchestrators.ts'
import { AUTHORITY, BILLING, READ, TaskHouse, type Copy } from '../support/task-house.ts'

const ALICE = 'user:corp:alice'
let house: TaskHouse
let bot: Copy
let scheduler: Caller

beforeEach(async () => {
  house = await TaskHouse.build()
  bot = house.addAgent('invoice-bot')
  house.addAgent('other-bot')
  scheduler = orchestratorOf(house, ['user:corp:*', 'user:partner:bob'], ['invoice-bot'])
})

const orchestrate = (names: object, change: object = {}, who = scheduler) =>
  orchestrateAs(house, who, { agent: 'invoice-bot', subject: ALICE, ...names }, change)

describe('a task that an orchestrator opens', () => {
  it('belongs to the agent, is for the user, and is open to any instance of the agent', async () => {
    const task = await orchestrate({})
    expect(task).toMatchObject({
      agent: 'invoice-bot',
      instance: null,
      subject: ALICE,
      owner: 'team-billing',
      state: 'active',
      authority: AUTHORITY,
      createdBy: scheduler.name,
    })
    const second = house.addCopy(bot.agent)
    for (const copy of [bot, second]) {
      const { accessToken } = await house.start(copy, task.id)
      const { subject, actors, client } = house.claims(accessToken)
      expect({ subject, client: client.toString() }).toEqual({ subject: ALICE, client: copy.spiffeId })
      expect(actors.map(String)).toEqual([copy.spiffeId])
    }
  })

  it('is on record with who asked, and whom it is for beside the leaf only', async () => {
    const task = await orchestrate({})
    const draft = house.store.leaves.at(-1)?.draft
    expect(draft).toMatchObject({ type: 'task.opened', actor: scheduler.name, object: `task:${task.id}` })
    expect(draft?.private).toMatchObject({ subject: ALICE })
    const { private: beside, ...leaf } = draft ?? {}
    expect(JSON.stringify(leaf)).not.toContain('alice')
    expect(beside).toBeDefined()
  })

  it('takes the agent by its id as well, and may name one instance, which alone may use it then', async () => {
    const second = house.addCopy(bot.agent)
    const task = await orchestrate({ agent: bot.agent, instance: second.instance })
    expect(task.instance).toBe(second.instance)
    expect(await codeOfAsync(() => house.start(bot, task.id))).toBe('TASK_NOT_FOUND')
    expect(await codeOfAsync(() => house.start(second, task.id))).toBe('ACCEPTED')
  })

  it('names exactly one copy also where all of them share one SPIFFE ID', async () => {
    const first = house.addAgent('pool', { identity: 'agent' })
    const second = house.addCopy(first.agent)
    const pool = orchestratorOf(house, [ALICE], ['pool'])
    const task = await orchestrate({ agent: 'pool', instance: second.instance }, {}, pool)
    expect(await codeOfAsync(() => house.start(first, task.id))).toBe('TASK_NOT_FOUND')
    expect(await codeOfAsync(() => house.start(second, task.id))).toBe('ACCEPTED')
  })

  it('is no task of another agent', async () => {
    const task = await orchestrate({})
    const thief = house.addAgent('thief')
    expect(await codeOfAsync(() => house.start(thief, task.id))).toBe('TASK_NOT_FOUND')
  })

  it('RAR-4 promise 4: stays within the registration of the agent, whatever the orchestrator asks for', async () => {
    const reader = house.addAgent('reader', {
      permissions: [{ audience: BILLING, actions: ['invoices:read'] }],
      maxDepth: 1,
    })
    const allowed = orchestratorOf(house, ['user:corp:*'], ['reader'])
    const ask = (change: object) => codeOfAsync(() => orchestrate({ agent: 'reader' }, change, allowed))
    expect(await ask({})).toBe('POLICY_ACTION')
    expect(await ask({ authority: [READ], maxDepth: 2 })).toBe('TASK_LIMIT_INVALID')
    expect(await ask({ authority: [READ], expiresIn: 86_401 })).toBe('TASK_DEADLINE_INVALID')
    expect(await ask({ authority: [READ] })).toBe('ACCEPTED')
    await house.change('Agent', { id: reader.agent }, { state: 'suspended', version: 2 })
    expect(await ask({ authority: [READ] })).toBe('POLICY_AGENT_NOT_ACTIVE')
  })

  it('promise 4: keeps subject, txn and task over every narrowing, and refuses more', async () => {
    const task = await orchestrate({})
    const start = await house.start(bot, task.id)
    const child = await house.narrow(bot, start.accessToken, {
      authorizationDetails: [{ ...READ, identifiers: ['inv_17'], constraints: { max_amount: 1 } }],
    })
    const [parent, below] = [house.claims(start.accessToken), house.claims(child.accessToken)]
    expect(below).toMatchObject({ subject: ALICE, transaction: parent.transaction, task: parent.task })
    expect(below.actors.map(String)).toEqual([bot.spiffeId])
    const wider = { authorizationDetails: [{ ...READ, constraints: { max_amount: 1 } }] }
    expect(await codeOfAsync(() => house.narrow(bot, child.accessToken, wider))).toBe('AUTHORIZATION_DETAILS_WIDENED')
  })
})

describe('promise 2: what an orchestrator may not', () => {
  it.each([
    ['a subject that is not in its list', { subject: 'user:other:alice' }, 'TASK_SUBJECT_NOT_ALLOWED'],
    ['a subject that only begins like one of its list', { subject: 'user:partner:bobby' }, 'TASK_SUBJECT_NOT_ALLOWED'],
    ['an issuer that only begins like one of its list', { subject: 'user:corp2:alice' }, 'TASK_SUBJECT_NOT_ALLOWED'],
    ['everyone', { subject: 'user:corp:*' }, 'TASK_SUBJECT_INVALID'],
    ['a SPIFFE ID', { subject: 'spiffe://example.org/agent/invoice-bot/i-1' }, 'TASK_SUBJECT_INVALID'],
    ['a bare name', { subject: 'alice' }, 'TASK_SUBJECT_INVALID'],
    ['a subject with a space', { subject: 'user:corp:al ice' }, 'TASK_SUBJECT_INVALID'],
    ['a subject with a line feed', { subject: 'user:corp:alice\n' }, 'TASK_SUBJECT_INVALID'],
    ['a subject of 256 characters', { subject: `user:corp:${'a'.repeat(256)}` }, 'TASK_SUBJECT_INVALID'],
    ['an issuer in capitals', { subject: 'user:CORP:alice' }, 'TASK_SUBJECT_INVALID'],
    ['no subject', { subject: null }, 'TASK_SUBJECT_MISSING'],
    ['an agent that is not in its list', { agent: 'other-bot' }, 'TASK_AGENT_NOT_ALLOWED'],
    ['that agent by its id', { agent: 'agt_other-bot' }, 'TASK_AGENT_NOT_ALLOWED'],
    ['an unknown agent', { agent: 'nobody' }, 'AGENT_UNKNOWN'],
    ['no agent', { agent: null }, 'TASK_AGENT_MISSING'],
    ['an unknown instance', { instance: 'i-9' }, 'INSTANCE_UNKNOWN'],
  ])('names %s, and the refusal is on record', async (_, names, code) => {
    expect(await codeOfAsync(() => orchestrate(names))).toBe(code)
    expect(house.store.all('Task')).toEqual([])
    expect(house.leaves()).toEqual([`task.opened deny:${code}`])
  })

  it('names an instance of another agent, or one that has ended', async () => {
    const other = house.addCopy('agt_other-bot')
    const ended = house.addCopy(bot.agent, { state: 'revoked' })
    for (const { instance } of [other, ended]) {
      expect(await codeOfAsync(() => orchestrate({ instance }))).toBe('INSTANCE_UNKNOWN')
    }
  })

  it('takes a colon in a sub as part of the sub, never of the issuer', async () => {
    const odd = orchestratorOf(house, ['user:a:*'], ['invoice-bot'])
    expect(await codeOfAsync(() => orchestrate({ subject: 'user:a:corp:alice' }, {}, odd))).toBe('ACCEPTED')
    expect(await codeOfAsync(() => orchestrate({ subject: 'user:corp:a:alice' }, {}, odd))).toBe(
      'TASK_SUBJECT_NOT_ALLOWED',
    )
  })

  it('is nothing without lists, even for an admin', async () => {
    for (const who of [orchestratorOf(house, [], []), house.principal('local:0', 'admin')]) {
      expect(await codeOfAsync(() => orchestrate({}, {}, who))).toBe('TASK_AGENT_NOT_ALLOWED')
    }
  })

  it('is anything for another role, or for an agent', async () => {
    expect(await codeOfAsync(() => orchestrate({}, {}, house.principal('local:0', 'operator')))).toBe('ROLE_REQUIRED')
    expect(await codeOfAsync(() => orchestrate({}, {}, house.caller(bot)))).toBe('TASK_ORDER_FORBIDDEN')
    expect(await codeOfAsync(() => orchestrate({}, {}, house.anonymous()))).toBe('AUTHENTICATION_REQUIRED')
    expect(house.leaves()).toEqual(['task.opened deny:ROLE_REQUIRED', 'task.opened deny:TASK_ORDER_FORBIDDEN'])
  })

  it('opens one as itself', async () => {
    expect(await codeOfAsync(() => orchestrateAs(house, scheduler, {}, { orchestrated: null }))).toBe(
      'CALLER_NOT_AGENT',
    )
  })

  it('opens one when its lists were changed between decision and commit', async () => {
    const [row] = house.store.all('Principal')
    const commit = house.store.commit.bind(house.store)
    const late = house.store as { commit: typeof commit }
    late.commit = async (order) => {
      late.commit = commit
      const admin = house.principal('local:0', 'admin')
      await setOrchestration(house.ports, admin, { id: row?.id ?? '', subjects: [], agents: [] })
      return commit(order)
    }
    expect(await codeOfAsync(() => orchestrate({}))).toBe('PRINCIPAL_CHANGED')
    expect(house.store.all('Task')).toEqual([])
  })
})

describe('an orchestrator and the tasks that it opened', () => {
  it('sees, holds and ends them, and no others', async () => {
    const task = await orchestrate({})
    const own = (await house.open(bot)).id
    expect((await listTasks(house.ports, scheduler, { limit: 10, after: null })).items.map(({ id }) => id)).toEqual([
      task.id,
    ])
    expect(await codeOfAsync(() => showTask(house.ports, scheduler, own))).toBe('TASK_NOT_FOUND')
    const rival = orchestratorOf(house, ['user:corp:*'], ['invoice-bot'])
    expect(await codeOfAsync(() => showTask(house.ports, rival, task.id))).toBe('TASK_NOT_FOUND')
    expect((await suspendTask(house.ports, scheduler, task.id)).state).toBe('suspended')
    expect((await resumeTask(house.ports, scheduler, task.id)).state).toBe('active')
    expect((await completeTask(house.ports, scheduler, task.id)).state).toBe('completed')
  })

  it('promise 3: suspending, completing and revoking the user kills the tokens for good', async () => {
    house.addAgent('billing')
    const receiver = house.addCopy('agt_billing')
    const task = await orchestrate({})
    const { accessToken } = await house.start(bot, task.id)
    expect(await house.introspect(receiver, accessToken)).toMatchObject({
      active: true,
      sub: ALICE,
      act: { sub: bot.spiffeId },
    })
    await suspendTask(house.ports, scheduler, task.id)
    expect(await house.introspect(receiver, accessToken)).toEqual({ active: false })
    await resumeTask(house.ports, scheduler, task.id)
    expect(await house.introspect(receiver, accessToken)).toEqual({ active: false })
    house.pass(2)
    const again = await house.start(bot, task.id)
    expect(await house.introspect(receiver, again.accessToken)).toMatchObject({ active: true })
    house.pass(2)
    await house.cutOff('subject', ALICE)
    expect(await house.introspect(receiver, again.accessToken)).toEqual({ active: false })
    expect(await codeOfAsync(() => house.narrow(bot, again.accessToken))).toBe('SUBJECT_TOKEN_DEAD')
  })
})
