import { beforeEach, describe, expect, it } from 'vitest'
import type { Caller, PrincipalRequest, Role } from '#authentication/index.ts'
import { listAgents } from '#flows/admin/agents.ts'
import { listLeaves } from '#flows/admin/audit-log.ts'
import { addPrincipal, removePrincipal, setOrchestration } from '#flows/admin/principals.ts'
import { whoami } from '#flows/admin/whoami.ts'
import { authenticate } from '#flows/authenticate.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { callerWith, enrollNew, newAgent, newWorld, trail, type World } from '../support/enrollment.ts'

let world: World
beforeEach(async () => {
  world = await newWorld()
})

describe('principals', () => {
  it.each(['root', 'local:01', 'local:-1', 'spiffe://other.org/admin/a', 'spiffe://example.org/agent/a', 'a@b.org'])(
    'are users of the machine or people of this trust domain, which "%s" is not',
    async (subject) => {
      const request = { subject, name: 'x', roles: ['viewer'] as const }
      expect(await codeOfAsync(() => addPrincipal(world.ports, world.admin, request))).toBe('PRINCIPAL_SUBJECT_INVALID')
    },
  )

  it('have a name and roles, each once', async () => {
    const add = (name: string, roles: readonly Role[]) =>
      codeOfAsync(() => addPrincipal(world.ports, world.admin, { subject: 'local:5', name, roles }))
    expect(await add(' ', ['viewer'])).toBe('PRINCIPAL_NAME_REQUIRED')
    expect(await add('x', [])).toBe('PRINCIPAL_ROLES_INVALID')
    expect(await add('x', ['viewer', 'viewer'])).toBe('PRINCIPAL_ROLES_INVALID')
    expect(await add('x', ['root' as Role])).toBe('PRINCIPAL_ROLES_INVALID')
    expect(await add('x', ['viewer'])).toBe('ACCEPTED')
    expect(await add('x', ['viewer'])).toBe('PRINCIPAL_TAKEN')
  })

  it.each([
    [
      'subjects of somebody who is no orchestrator',
      { roles: ['operator'], subjects: ['user:corp:a'] },
      'NOT_ORCHESTRATOR',
    ],
    ['agents of somebody who is no orchestrator', { roles: ['viewer'], agents: ['bot'] }, 'NOT_ORCHESTRATOR'],
    ['a subject that is no user', { subjects: ['spiffe://example.org/agent/a'] }, 'SUBJECTS_INVALID'],
    ['a star in the middle', { subjects: ['user:corp:al*'] }, 'SUBJECTS_INVALID'],
    ['a star behind a colon of a sub', { subjects: ['user:corp:partner:*'] }, 'SUBJECTS_INVALID'],
    ['a star for the issuer', { subjects: ['user:*:alice'] }, 'SUBJECTS_INVALID'],
    ['a subject twice', { subjects: ['user:corp:a', 'user:corp:a'] }, 'SUBJECTS_INVALID'],
    ['101 subjects', { subjects: Array.from({ length: 101 }, (_, n) => `user:corp:${String(n)}`) }, 'SUBJECTS_INVALID'],
    ['an agent by its path', { agents: ['/agent/bot'] }, 'AGENTS_INVALID'],
    ['a star for the agent', { agents: ['*'] }, 'AGENTS_INVALID'],
    ['an agent twice', { agents: ['bot', 'bot'] }, 'AGENTS_INVALID'],
  ])('cannot have %s', async (_, change, code) => {
    const request = { subject: 'local:5', name: 'x', roles: ['orchestrator'], ...change } as PrincipalRequest
    expect(await codeOfAsync(() => addPrincipal(world.ports, world.admin, request))).toBe(`PRINCIPAL_${code}`)
  })

  it('are told whom they may open tasks for, by an admin, in place of what it was, and on record', async () => {
    const request = { subject: 'local:7', name: 'x', roles: ['orchestrator'] as const, subjects: ['user:corp:*'] }
    const { id } = await addPrincipal(world.ports, world.admin, request)
    const lists = { id, subjects: ['user:corp:alice'], agents: ['bot'] }
    const set = (caller: Caller, change: object = {}) =>
      codeOfAsync(() => setOrchestration(world.ports, caller, { ...lists, ...change }))
    expect(await set(await authenticate(world.ports, { kind: 'unix', uid: 7 }))).toBe('ROLE_REQUIRED')
    expect(await set(world.admin, { id: 'prn_none' })).toBe('PRINCIPAL_NOT_FOUND')
    expect(await set(world.admin, { agents: ['*'] })).toBe('PRINCIPAL_AGENTS_INVALID')
    expect(await set(world.admin)).toBe('ACCEPTED')
    const leaf = world.store.leaves.at(-1)?.draft
    expect(leaf).toMatchObject({ type: 'principal.changed', object: `principal:${id}` })
    expect(leaf?.private).toEqual({ subjects: 'user:corp:alice', agents: 'bot' })
    expect(JSON.stringify(leaf?.commitments)).not.toContain('alice')
    const caller = await authenticate(world.ports, { kind: 'unix', uid: 7 })
    expect(caller.requireRole('orchestrator')).toMatchObject({ subjects: ['user:corp:alice'], agents: ['bot'] })
    await removePrincipal(world.ports, world.admin, id)
    expect(await set(world.admin)).toBe('PRINCIPAL_NOT_FOUND')
    await addPrincipal(world.ports, world.admin, { ...request, subjects: [] })
    const back = await authenticate(world.ports, { kind: 'unix', uid: 7 })
    expect(back.requireRole('orchestrator')).toMatchObject({ id, subjects: [], agents: [] })
  })

  it('lose everything at once when they are removed, and come back only with what is given anew', async () => {
    const request = { subject: 'local:7', name: 'x', roles: ['admin'] as const }
    const { id } = await addPrincipal(world.ports, world.admin, request)
    const peer = { kind: 'unix', uid: 7 } as const
    expect((await authenticate(world.ports, peer)).requireRole('admin').id).toBe(id)
    await removePrincipal(world.ports, world.admin, id)
    expect(await codeOfAsync(() => authenticate(world.ports, peer))).toBe('LOCAL_USER_UNKNOWN')
    await addPrincipal(world.ports, world.admin, { ...request, roles: ['viewer'] })
    const caller = await authenticate(world.ports, peer)
    expect(caller.requireRole('viewer')).toMatchObject({ id, roles: ['viewer'] })
  })

  it('always have an admin among them, even when two remove each other at once', async () => {
    const [first] = world.store.all('Principal')
    const remove = (caller: Caller, id = '') => codeOfAsync(() => removePrincipal(world.ports, caller, id))
    expect(await remove(world.admin, first?.id)).toBe('PRINCIPAL_LAST_ADMIN')
    const request = { subject: 'local:7', name: 'x', roles: ['admin'] as const }
    const second = await addPrincipal(world.ports, world.admin, request)
    const other = await authenticate(world.ports, { kind: 'unix', uid: 7 })
    const results = await Promise.all([remove(world.admin, second.id), remove(other, first?.id)])
    expect(results.sort()).toEqual(['ACCEPTED', 'PRINCIPAL_LAST_ADMIN'])
    expect(world.store.all('Principal').filter(({ state }) => state === 'active')).toHaveLength(1)
  })
})

describe('lists', () => {
  it('go on behind the last item of the page before, to the end', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await newAgent(world, { name })
    const names: string[] = []
    let after: string | undefined
    for (let pages = 0; pages < 10; pages++) {
      const page = await listAgents(world.ports, world.admin, { limit: 2, after })
      names.push(...page.items.map(({ name }) => name))
      if (page.next === null) break
      after = page.next
    }
    expect(names.sort()).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('refuse a cursor that is none and a limit out of range', async () => {
    const list = (page: { limit: number; after?: string }) =>
      codeOfAsync(() => listAgents(world.ports, world.admin, page))
    expect(await list({ limit: 2, after: '%%' })).toBe('CURSOR_INVALID')
    expect(await list({ limit: 0 })).toBe('LIMIT_INVALID')
    expect(await list({ limit: 1001 })).toBe('LIMIT_INVALID')
  })
})

describe('the audit log', () => {
  it('is read by auditors in its order, and each reading is in it', async () => {
    const place = (position: number, leaf: (typeof world.store.leaves)[number]) => {
      const { replica, seq, at, type, actor, object, bytes } = leaf
      const row = { replica, seq, at, type, actor, object, bytes }
      return { ...row, hash: `${String(position).padStart(4, '0')}${leaf.hash.slice(4)}`, position }
    }
    const ordered = world.store.leaves.slice(0, 3).map((leaf, index) => place(index, { ...leaf, seq: 1000 + index }))
    world.store.seed('LogLeaf', ...ordered)
    const auditor = await callerWith(world, 'auditor')
    const since = world.store.leaves.length
    const first = await listLeaves(world.ports, auditor, { limit: 2 })
    expect(first.items.map(({ position }) => position)).toEqual([0, 1])
    const second = await listLeaves(world.ports, auditor, { limit: 2, after: first.next ?? '' })
    expect(second.items.map(({ position }) => position)).toEqual([2])
    expect(second.next).toBeNull()
    expect(trail(world, since)).toEqual(['audit.read permit', 'audit.read permit'])
  })

  it('is not answered when the reading cannot be written down', async () => {
    world.store.fail = { when: 'before', commit: world.store.commits + 1 }
    expect(await codeOfAsync(() => listLeaves(world.ports, world.admin, { limit: 100 }))).toBe('STORE_UNAVAILABLE')
  })
})

describe('whoami', () => {
  it('tells callers what they are taken for', async () => {
    await newAgent(world)
    const { peer, answer } = await enrollNew(world)
    expect(whoami(await authenticate(world.ports, peer))).toEqual({
      kind: 'agent',
      name: answer.svid.spiffeId,
      agent: 'invoice-bot',
      instance: answer.instance,
      roles: [],
    })
    expect(whoami(world.anonymous)).toEqual({
      kind: 'anonymous',
      name: 'anonymous',
      agent: null,
      instance: null,
      roles: [],
    })
  })
})
