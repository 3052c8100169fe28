import { beforeEach, describe, expect, it } from 'vitest'
import { completeTask } from '#flows/complete-task.ts'
import { listTasks } from '#flows/list-tasks.ts'
import { resumeTask } from '#flows/resume-task.ts'
import { revokeTask } from '#flows/revoke-task.ts'
import { showTask } from '#flows/show-task.ts'
import { suspendTask } from '#flows/suspend-task.ts'
import { after, DAY, HOUR } from '#kernel/instant.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { AUTHORITY, BILLING, READ, TaskHouse, type Copy } from '../support/task-house.ts'

let house: TaskHouse
let bot: Copy
let thief: Copy

beforeEach(async () => {
  house = await TaskHouse.build()
  bot = house.addAgent('invoice-bot')
  thief = house.addAgent('thief', { owner: 'team-thief' })
})

describe('opening a task', () => {
  it('makes an active task of the agent for itself, within its registration', async () => {
    const task = await house.open(bot, { expiresIn: 3600, maxDepth: 1, maxDerivations: 5 })
    const now = house.clock.now()
    expect(task).toEqual({
      id: expect.stringMatching(/^task_/) as string,
      agent: 'invoice-bot',
      instance: bot.instance,
      subject: bot.spiffeId,
      owner: 'team-billing',
      state: 'active',
      authority: AUTHORITY,
      deadline: after(now, HOUR),
      maxDepth: 1,
      maxDerivations: 5,
      createdBy: bot.spiffeId,
      createdAt: now,
      endedAt: null,
      transaction: expect.stringMatching(/^[\w-]{22}$/) as string,
    })
    const leaf = house.store.leaves.at(-1)?.draft
    expect(leaf).toMatchObject({
      type: 'task.opened',
      actor: bot.spiffeId,
      object: `task:${task.id}`,
      decision: 'permit',
    })
    expect(leaf?.policy).toMatch(/^sha-256:/)
  })

  it('takes what is left out as all that the agent is allowed', async () => {
    const task = await house.open(bot)
    expect(task).toMatchObject({ deadline: after(house.clock.now(), DAY), maxDepth: 3, maxDerivations: 100 })
  })

  it.each([
    [
      'an action that the agent does not have',
      { authority: [{ ...READ, actions: ['invoices:delete'] }] },
      'TARGET_ACTION_UNKNOWN',
    ],
    ['an unknown resource', { authority: [{ ...READ, resource: 'https://unknown.example' }] }, 'TARGET_UNKNOWN'],
    ['malformed authority', { authority: [{ ...READ, extra: 1 }] }, 'INVALID_AUTHORIZATION_DETAILS'],
    ['no authority', { authority: [] }, 'INVALID_AUTHORIZATION_DETAILS'],
    ['a deadline beyond the registration', { expiresIn: 86_401 }, 'TASK_DEADLINE_INVALID'],
    ['a deadline that has passed', { expiresIn: 0 }, 'TASK_DEADLINE_INVALID'],
    ['more depth than the registration allows', { maxDepth: 4 }, 'TASK_LIMIT_INVALID'],
    ['a negative limit', { maxDerivations: -1 }, 'TASK_LIMIT_INVALID'],
  ])('refuses %s, and says so in the log', async (_, change, code) => {
    expect(await codeOfAsync(() => house.open(bot, change))).toBe(code)
    expect(house.store.all('Task')).toEqual([])
    expect(house.leaves()).toEqual([`task.opened deny:${code}`])
  })

  it('promise 2: refuses what the registration does not permit, though the resource has it', async () => {
    const reader = house.addAgent('reader', { permissions: [{ audience: BILLING, actions: ['invoices:read'] }] })
    expect(await codeOfAsync(() => house.open(reader))).toBe('POLICY_ACTION')
    const none = house.addAgent('none', { permissions: [] })
    expect(await codeOfAsync(() => house.open(none, { authority: [READ] }))).toBe('POLICY_AUDIENCE')
    expect(await codeOfAsync(() => house.open(reader, { authority: [READ] }))).toBe('ACCEPTED')
  })

  it('promise 2: refuses a suspended agent', async () => {
    await house.change('Agent', { id: bot.agent }, { state: 'suspended', version: 2 })
    expect(await codeOfAsync(() => house.open(bot))).toBe('POLICY_AGENT_NOT_ACTIVE')
  })
})

describe('a task and who may do what to it', () => {
  let task: string
  const owner = () => house.principal('team-billing')
  const operator = () => house.principal('local:0', 'operator')
  const viewer = () => house.principal('local:1', 'viewer')

  beforeEach(async () => {
    task = (await house.open(bot)).id
  })

  it('is seen by its agent, its owner and whoever may see all', async () => {
    for (const caller of [house.caller(bot), house.caller(house.addCopy(bot.agent)), owner(), operator(), viewer()]) {
      expect((await showTask(house.ports, caller, task)).id).toBe(task)
    }
  })

  it('answers alike for an unknown id and for somebody else’s, whatever is asked', async () => {
    const unknown = 'task_00000000000000000000000000'
    const outsider = house.principal('local:7')
    for (const flow of [showTask, completeTask, revokeTask, suspendTask, resumeTask]) {
      for (const caller of [house.caller(thief), outsider]) {
        for (const id of [task, unknown, 'task_', '']) {
          expect(await codeOfAsync(() => flow(house.ports, caller, id))).toBe('TASK_NOT_FOUND')
        }
      }
    }
    expect(house.store.all('Task')[0]?.state).toBe('active')
  })

  it('refuses the anonymous before anything is looked up', async () => {
    for (const flow of [showTask, completeTask, revokeTask, suspendTask, resumeTask]) {
      expect(await codeOfAsync(() => flow(house.ports, house.anonymous(), task))).toBe('AUTHENTICATION_REQUIRED')
    }
  })

  it('is not ended by who may only look, and not held by its own agent', async () => {
    expect(await codeOfAsync(() => completeTask(house.ports, viewer(), task))).toBe('ROLE_REQUIRED')
    expect(await codeOfAsync(() => suspendTask(house.ports, house.caller(bot), task))).toBe('ROLE_REQUIRED')
    expect(await codeOfAsync(() => resumeTask(house.ports, house.caller(bot), task))).toBe('ROLE_REQUIRED')
    expect(house.leaves().at(-1)).toBe('task.active deny:ROLE_REQUIRED')
  })

  it.each(['agent', 'owner', 'operator'] as const)(
    'is completed by the %s, once, however often it is asked',
    async (who) => {
      const caller = { agent: house.caller(bot), owner: owner(), operator: operator() }[who]
      const first = await completeTask(house.ports, caller, task)
      expect(first).toMatchObject({ state: 'completed', endedAt: house.clock.now() })
      house.pass(10)
      expect(await completeTask(house.ports, caller, task)).toEqual(first)
      expect(house.leaves()).toEqual(['task.opened permit', 'task.completed permit'])
      expect(house.store.events.map((event) => event.type)).toEqual(['task.opened', 'task.completed'])
    },
  )

  it('promise 3: stays ended', async () => {
    await revokeTask(house.ports, owner(), task)
    for (const flow of [completeTask, suspendTask, resumeTask]) {
      expect(await codeOfAsync(() => flow(house.ports, operator(), task))).toBe('TASK_REVOKED')
    }
    house.pass(2 * 86_400)
    expect((await showTask(house.ports, owner(), task)).state).toBe('revoked')
  })

  it('expires by time alone', async () => {
    house.pass(86_400)
    expect(await showTask(house.ports, owner(), task)).toMatchObject({ state: 'expired', endedAt: house.clock.now() })
    expect(await codeOfAsync(() => completeTask(house.ports, owner(), task))).toBe('TASK_EXPIRED')
    expect(await codeOfAsync(() => resumeTask(house.ports, owner(), task))).toBe('TASK_EXPIRED')
  })

  it('is suspended and resumed by owner or operator, and can be ended while suspended', async () => {
    expect((await suspendTask(house.ports, owner(), task)).state).toBe('suspended')
    expect((await suspendTask(house.ports, owner(), task)).state).toBe('suspended')
    expect((await resumeTask(house.ports, operator(), task)).state).toBe('active')
    await suspendTask(house.ports, owner(), task)
    expect((await completeTask(house.ports, house.caller(bot), task)).state).toBe('completed')
    const types = house.leaves().map((leaf) => leaf.split(' ')[0])
    expect(types).toEqual(['task.opened', 'task.suspended', 'task.active', 'task.suspended', 'task.completed'])
  })

  it('cuts off beyond what a replica with a faster clock has issued', async () => {
    await house.start(bot, task)
    house.clock.set(after(house.clock.now(), -1_500))
    await suspendTask(house.ports, owner(), task)
    const [token] = house.store.all('TaskToken')
    const [cutoff] = house.store.all('Cutoff')
    expect(cutoff).toMatchObject({ key: `task:${task}`, reason: 'task.suspended' })
    expect(cutoff?.before).toBeGreaterThan(token?.issuedAt ?? Infinity)
    expect(Number(cutoff?.before) % 1000).toBe(0)
  })

  it('changes nothing when the leaf cannot be written', async () => {
    house.store.fail = { when: 'before', commit: house.store.commits + 1 }
    expect(await codeOfAsync(() => completeTask(house.ports, house.caller(bot), task))).toBe('STORE_UNAVAILABLE')
    expect(house.store.all('Task')[0]?.state).toBe('active')
    expect(house.store.all('Cutoff')).toEqual([])
  })

  it('ends in one state when many end it at once', async () => {
    const calls = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? completeTask : revokeTask))
    const codes = await Promise.all(calls.map((flow) => codeOfAsync(() => flow(house.ports, owner(), task))))
    const [row] = house.store.all('Task')
    const lost = row?.state === 'completed' ? 'TASK_COMPLETED' : 'TASK_REVOKED'
    expect(new Set(codes)).toEqual(new Set(['ACCEPTED', lost]))
    expect(row?.version).toBe(2)
    expect(house.store.events.filter((event) => event.type !== 'task.opened')).toHaveLength(1)
  })
})

describe('listing tasks', () => {
  it('shows each their own, in pages', async () => {
    const own: string[] = []
    for (let count = 0; count < 3; count++) {
      own.push((await house.open(bot)).id)
      house.pass(1)
    }
    const foreign = (await house.open(thief)).id
    const first = await listTasks(house.ports, house.caller(bot), { limit: 2, after: null })
    const rest = await listTasks(house.ports, house.caller(bot), { limit: 2, after: first.next })
    expect([...first.items, ...rest.items].map((task) => task.id)).toEqual(own)
    expect(rest.next).toBeNull()
    const ids = async (caller: ReturnType<TaskHouse['anonymous']>) =>
      (await listTasks(house.ports, caller, { limit: 10, after: null })).items.map((task) => task.id)
    expect(await ids(house.caller(thief))).toEqual([foreign])
    expect(await ids(house.principal('team-thief'))).toEqual([foreign])
    expect(await ids(house.principal('local:1', 'auditor'))).toEqual([...own, foreign])
    expect(await ids(house.principal('local:7'))).toEqual([])
    expect(await codeOfAsync(() => ids(house.anonymous()))).toBe('AUTHENTICATION_REQUIRED')
  })
})
