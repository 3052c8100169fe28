import { beforeEach, describe, expect, it } from 'vitest'
import type { Caller } from '#authentication/index.ts'
import { authenticate, authenticateForRenewal } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import { renew } from '#flows/renew.ts'
import { previewRevocation, revoke, type Revocation } from '#flows/revoke/revoke.ts'
import type { RevocationRequest } from '#flows/revoke/target.ts'
import { resumeAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { MINUTE, SECOND } from '#kernel/instant.ts'
import type { RevocationHandle, RevocationReason } from '#revocation/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import {
  callerWith,
  csrOf,
  enrollNew,
  joinWith,
  newAgent,
  newToken,
  newWorld,
  peerWith,
  trail,
  type Enrolled,
  type World,
} from '../support/enrollment.ts'
import { TaskHouse, type Copy } from '../support/task-house.ts'
import { newKeyPair } from '../support/x509.ts'

let world: World
let bot: Enrolled
let other: Enrolled

beforeEach(async () => {
  world = await newWorld()
  await newAgent(world)
  await newAgent(world, { name: 'mail-bot', owner: 'mail team' })
  bot = await enrollNew(world)
  other = await enrollNew(world, 'mail-bot')
  world.clock.advance(MINUTE)
})

function instanceOf({ answer }: Enrolled) {
  const row = world.store.all('Instance').find(({ id }) => id === answer.instance)
  if (row === undefined) throw new TypeError('no such instance')
  return row
}

function certificateOf({ answer }: Enrolled) {
  const row = world.store.all('Certificate').find(({ instance }) => instance === answer.instance)
  if (row === undefined) throw new TypeError('no such certificate')
  return row
}

const run = (
  handle: RevocationHandle,
  value: string,
  reason: RevocationReason = 'unspecified',
  by: Caller = world.admin,
) => revoke(world.ports, by, { handle, value, reason })

const isDead = async ({ peer }: Enrolled): Promise<boolean> =>
  (await codeOfAsync(() => authenticate(world.ports, peer))) === 'CLIENT_CERTIFICATE_REVOKED'

/** Each handle on what the bot has, by its value. */
const HANDLES: Readonly<Record<string, () => string>> = {
  certificate: () => certificateOf(bot).serial,
  instance: () => bot.answer.instance,
  agent: () => 'invoice-bot',
  lineage: () => instanceOf(bot).lineage,
  key: () => certificateOf(bot).spkiHash,
  evidence: () => instanceOf(bot).evidenceDigest,
}

describe.each(Object.keys(HANDLES))('revoking by %s', (name) => {
  const handle = name as RevocationHandle
  const value = () => HANDLES[name]?.() ?? ''

  it('kills the certificate for the next request, leaves its neighbour, and is on record', async () => {
    const since = world.store.leaves.length
    const { changed, hits } = await run(handle, value())
    expect(changed).toBe(true)
    expect(hits.instances.map(({ id }) => id)).toEqual([bot.answer.instance])
    expect(hits.agents.map(({ owner }) => owner)).toEqual(['billing team'])
    expect(hits.certificates.map(({ serial }) => serial)).toEqual([certificateOf(bot).serial])
    expect(trail(world, since)).toEqual(['credential.revoked permit'])
    expect(await isDead(bot)).toBe(true)
    expect(await codeOfAsync(() => authenticateForRenewal(world.ports, bot.peer))).toBe('CLIENT_CERTIFICATE_REVOKED')
    expect(await isDead(other)).toBe(false)
  })

  it('shows in a dry run what it would hit, and changes nothing', async () => {
    const since = world.store.leaves.length
    const preview = await previewRevocation(world.ports, world.admin, { handle, value: value(), reason: 'unspecified' })
    expect(preview.changed).toBe(false)
    expect(preview.hits.instances.map(({ id }) => id)).toEqual([bot.answer.instance])
    expect(trail(world, since)).toEqual([])
    expect(await isDead(bot)).toBe(false)
  })

  it('is the same a second time: the first reason stays, unless the key turns out to be compromised', async () => {
    await run(handle, value(), 'cessation_of_operation')
    const [stored] = world.store.all('Cutoff')
    const again = await run(handle, value(), 'privilege_withdrawn')
    expect(again.changed).toBe(false)
    expect(world.store.all('Cutoff')).toEqual([stored])
    expect(stored?.reason).toBe('cessation_of_operation')
    await run(handle, value(), 'key_compromise')
    expect(world.store.all('Cutoff').map(({ reason }) => reason)).toContain('key_compromise')
    expect(await isDead(bot)).toBe(true)
  })

  it('reaches what was renewed from it', async () => {
    const caller = await authenticateForRenewal(world.ports, bot.peer)
    const renewed = await renew(world.enrolling, caller, { csr: await csrOf(newKeyPair()) })
    const first = value()
    world.clock.advance(MINUTE)
    await run(handle, first, handle === 'key' ? 'key_compromise' : 'unspecified')
    const peer = peerWith(renewed.svid.certificate)
    const next = await codeOfAsync(() => authenticate(world.ports, peer))
    // A key reaches its own certificates; with another key the workload has gone on.
    expect(next).toBe(handle === 'key' ? 'ACCEPTED' : 'CLIENT_CERTIFICATE_REVOKED')
  })

  it('asks for the right role', async () => {
    for (const role of ['viewer', 'auditor', 'orchestrator', 'approver', 'ca-admin'] as const) {
      const caller = await callerWith(world, role)
      expect(await codeOfAsync(() => run(handle, value(), 'unspecified', caller))).toBe('ROLE_REQUIRED')
    }
    expect((await run(handle, value(), 'unspecified', await callerWith(world, 'operator'))).changed).toBe(true)
  })
})

describe('what can come back', () => {
  it('may enroll anew once the cutoff has passed, and not a moment before', async () => {
    const token = await newToken(world)
    await run('agent', 'invoice-bot')
    const key = newKeyPair()
    const ask = async () => enroll(world.enrolling, world.anonymous, joinWith(token, await csrOf(key)))
    expect(await codeOfAsync(ask)).toBe('ISSUANCE_CUT_OFF')
    world.clock.advance(2 * SECOND)
    const { svid } = await ask()
    expect(await codeOfAsync(() => authenticate(world.ports, peerWith(svid.certificate)))).toBe('ACCEPTED')
    expect(await isDead(bot)).toBe(true)
  })

  it('by authority: everything that it has signed so far is dead, and only a CA admin does that', async () => {
    const authority = certificateOf(bot).authority
    const operator = await callerWith(world, 'operator')
    expect(await codeOfAsync(() => run('authority', authority, 'ca_compromise', operator))).toBe('ROLE_REQUIRED')
    const asked = { handle: 'authority', value: authority, reason: 'ca_compromise' } as const
    const { hits } = await previewRevocation(world.ports, world.admin, asked)
    await run('authority', authority, 'ca_compromise', await callerWith(world, 'ca-admin'))
    expect(hits.instances).toHaveLength(2)
    expect([await isDead(bot), await isDead(other)]).toEqual([true, true])
  })

  it('by selector: everything whose evidence showed it', async () => {
    const selector = 'x509pop:devices:subject:cn:sensor-7'
    const row = instanceOf(bot)
    world.store.seed('Instance', { ...row, id: 'i-0000000000000009', selectors: [selector], lineage: 'lin_9' })
    const { hits } = await previewRevocation(world.ports, world.admin, {
      handle: 'selector',
      value: selector,
      reason: 'unspecified',
    })
    await run('selector', selector)
    expect(hits.instances.map(({ id }) => id)).toEqual(['i-0000000000000009'])
    expect(world.store.all('Cutoff').map(({ key }) => key)).toEqual([`selector:${selector}`])
  })
})

describe('a compromised key', () => {
  it('is blocked for ever, also for whoever comes with it later', async () => {
    await run('key', certificateOf(bot).spkiHash, 'key_compromise')
    world.clock.advance(MINUTE)
    const token = await newToken(world)
    const again = async () => enroll(world.enrolling, world.anonymous, joinWith(token, await csrOf(bot.key)))
    expect(await codeOfAsync(again)).toBe('ISSUANCE_CUT_OFF')
  })

  it('may be blocked before anybody has come with it', async () => {
    const unseen = 'ab'.repeat(32)
    expect(await codeOfAsync(() => run('key', unseen))).toBe('REVOCATION_TARGET_UNKNOWN')
    expect((await run('key', unseen, 'key_compromise')).changed).toBe(true)
  })

  it.each(['certificate', 'instance', 'lineage'])('is blocked together with its %s', async (name) => {
    await run(name as RevocationHandle, HANDLES[name]?.() ?? '', 'key_compromise')
    expect(world.store.all('Cutoff').map(({ key }) => key)).toContain(`spki:${certificateOf(bot).spkiHash}`)
  })
})

describe('a superseded certificate', () => {
  it('is revoked alone, and only when there is a newer one', async () => {
    const { serial } = certificateOf(bot)
    expect(await codeOfAsync(() => run('certificate', serial, 'superseded'))).toBe('REVOCATION_REASON_UNFIT')
    const caller = await authenticateForRenewal(world.ports, bot.peer)
    const renewed = await renew(world.enrolling, caller, { csr: await csrOf(newKeyPair()) })
    expect((await run('certificate', serial, 'superseded')).changed).toBe(true)
    expect((await run('certificate', serial, 'superseded')).changed).toBe(false)
    expect(await isDead(bot)).toBe(true)
    expect(await codeOfAsync(() => authenticate(world.ports, peerWith(renewed.svid.certificate)))).toBe('ACCEPTED')
    expect(world.store.all('Cutoff')).toEqual([])
  })
})

describe('refused', () => {
  const no = '0'.repeat(64)
  it.each<[RevocationHandle, string, RevocationReason, string]>([
    ['certificate', 'abcd', 'unspecified', 'REVOCATION_TARGET_UNKNOWN'],
    ['certificate', 'xyz', 'unspecified', 'REVOCATION_VALUE_INVALID'],
    ['instance', 'i-0000000000000000', 'unspecified', 'REVOCATION_TARGET_UNKNOWN'],
    ['agent', 'nobody', 'unspecified', 'REVOCATION_TARGET_UNKNOWN'],
    ['lineage', 'lin_0', 'unspecified', 'REVOCATION_TARGET_UNKNOWN'],
    ['key', no, 'unspecified', 'REVOCATION_TARGET_UNKNOWN'],
    ['key', 'short', 'unspecified', 'REVOCATION_VALUE_INVALID'],
    ['authority', 'aut_0', 'ca_compromise', 'REVOCATION_TARGET_UNKNOWN'],
    ['node', 'nod_0', 'unspecified', 'REVOCATION_TARGET_UNKNOWN'],
    ['task', 'task_0', 'unspecified', 'REVOCATION_TARGET_UNKNOWN'],
    ['token', 'nothing', 'unspecified', 'REVOCATION_TARGET_UNKNOWN'],
    ['subject', 'user:corp:nobody', 'unspecified', 'REVOCATION_TARGET_UNKNOWN'],
    ['evidence', no, 'unspecified', 'REVOCATION_TARGET_UNKNOWN'],
    ['selector', 'nonsense', 'unspecified', 'REVOCATION_VALUE_INVALID'],
    ['selector', 'x509pop:devices:subject:cn:misspelled', 'unspecified', 'REVOCATION_TARGET_UNKNOWN'],
    ['trust-domain', 'example.com', 'unspecified', 'REVOCATION_TARGET_UNKNOWN'],
    ['agent', 'invoice-bot', 'ca_compromise', 'REVOCATION_REASON_UNFIT'],
  ])('%s %s for %s: %s', async (handle, value, reason, code) => {
    const since = world.store.leaves.length
    expect(await codeOfAsync(() => run(handle, value, reason))).toBe(code)
    expect(trail(world, since)).toEqual([`credential.revoked deny:${code}`])
    expect(world.store.all('Cutoff')).toEqual([])
  })

  it('an operator who would revoke a person who administers: that takes an admin', async () => {
    await newAgent(world, { name: 'alice', path: '/admin/alice' })
    const alice = await enrollNew(world, 'alice')
    const operator = await callerWith(world, 'operator')
    const { serial } = certificateOf(alice)
    for (const [handle, value] of [
      ['agent', 'alice'],
      ['instance', alice.answer.instance],
      ['certificate', serial],
    ] as const) {
      expect(await codeOfAsync(() => run(handle, value, 'unspecified', operator))).toBe('ROLE_REQUIRED')
    }
    expect((await run('agent', 'alice')).changed).toBe(true)
  })
})

describe('two operators at once', () => {
  it('leave one cutoff with one reason, and both are answered', async () => {
    const reasons = ['privilege_withdrawn', 'cessation_of_operation'] as const
    const done = await Promise.all(reasons.map((reason) => run('instance', bot.answer.instance, reason)))
    expect(done.map(({ changed }) => changed).sort()).toEqual([false, true])
    expect(world.store.all('Cutoff')).toHaveLength(1)
  })
})

describe('tasks and tokens', () => {
  let house: TaskHouse
  let copy: Copy
  let billing: Copy
  let token: string
  let task: string

  beforeEach(async () => {
    house = await TaskHouse.build()
    copy = house.addAgent('invoice-bot')
    billing = house.addAgent('billing')
    task = (await house.open(copy)).id
    token = (await house.start(copy, task)).accessToken
  })

  const take = (request: Omit<RevocationRequest, 'reason'>): Promise<Revocation> =>
    revoke(house.ports, house.principal('local:1000', 'operator'), { ...request, reason: 'unspecified' })
  const active = async (text: string): Promise<boolean> => (await house.introspect(billing, text)).active

  it('a token dies with what was derived from it, and its parent lives', async () => {
    const child = (await house.narrow(copy, token)).accessToken
    const grandchild = (await house.narrow(copy, child)).accessToken
    const { hits } = await take({ handle: 'token', value: house.claims(child).id })
    expect(hits.tokens).toHaveLength(2)
    expect([await active(token), await active(child), await active(grandchild)]).toEqual([true, false, false])
    expect((await take({ handle: 'token', value: house.claims(child).id })).changed).toBe(false)
  })

  it('a task dies with every token under it', async () => {
    const { hits } = await take({ handle: 'task', value: task })
    expect([hits.tasks.length, hits.tokens.length]).toEqual([1, 1])
    expect(await active(token)).toBe(false)
    expect((await take({ handle: 'task', value: task })).changed).toBe(false)
  })

  it('a subject dies in every task, and its name is in no leaf and no event', async () => {
    const { hits } = await take({ handle: 'subject', value: copy.spiffeId })
    expect(hits.tokens).toHaveLength(1)
    expect(await active(token)).toBe(false)
    const leaf = house.store.leaves.at(-1)
    expect(leaf?.draft.object).toMatch(/^subject:sha-256:[0-9a-f]{64}$/)
    expect(JSON.stringify(house.store.all('Outbox').at(-1))).not.toContain(copy.spiffeId)
  })

  it('reaches tokens of a replica whose clock is ahead', async () => {
    house.clock.advance(1500)
    const ahead = (await house.start(copy, task)).accessToken
    house.clock.advance(-1500)
    await take({ handle: 'subject', value: copy.spiffeId })
    expect([await active(token), await active(ahead)]).toEqual([false, false])
  })

  it('through any instance of the agent: its tokens are dead, and dead they stay when it is resumed', async () => {
    const admin = house.principal('local:1000', 'admin')
    await suspendAgent({ ...house.ports }, admin, { name: 'invoice-bot' })
    expect(await active(token)).toBe(false)
    await resumeAgent({ ...house.ports }, admin, { name: 'invoice-bot' })
    expect(await active(token)).toBe(false)
  })

  it.each(['instance', 'lineage', 'certificate'] as const)('die with the %s that holds them', async (handle) => {
    const values = { instance: copy.instance, lineage: `lin_${copy.instance.slice(2)}`, certificate: copy.serial }
    await take({ handle, value: values[handle] })
    expect(await active(token)).toBe(false)
  })
})
