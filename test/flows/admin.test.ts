import { beforeEach, describe, expect, it } from 'vitest'
import { ROLES, type Caller, type Role } from '#authentication/index.ts'
import { resumeAgent, retireAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { addAgent, listAgents, showAgent } from '#flows/admin/agents.ts'
import { listLeaves } from '#flows/admin/audit-log.ts'
import { bootstrapFirstAdmin } from '#flows/admin/bootstrap.ts'
import { listAuthorities, listCertificates, listInstances } from '#flows/admin/inventory.ts'
import { addJoinToken, deleteJoinToken, listJoinTokens } from '#flows/admin/join-tokens.ts'
import { addPrincipal, listPrincipals, removePrincipal, setOrchestration } from '#flows/admin/principals.ts'
import { addResource, listResources } from '#flows/admin/resources.ts'
import { whoami } from '#flows/admin/whoami.ts'
import { authenticate } from '#flows/authenticate.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { toHex } from '#kernel/bytes.ts'
import { DAY, SECOND } from '#kernel/instant.ts'
import { parseJoinToken } from '#wire/index.ts'
import { withSuccessor } from '../support/authority-steps.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { callerWith, enrollNew, newAgent, newWorld, trail, type World } from '../support/enrollment.ts'

const RESOURCE = {
  audience: 'https://mcp.billing.example.org',
  owner: 'billing team',
  spiffeIds: ['spiffe://example.org/agent/billing'],
  actions: ['invoices:read'],
}
const NAME = { name: 'invoice-bot' }
const PAGE = { limit: 100 }

let world: World
let since: number
beforeEach(async () => {
  world = await newWorld()
  since = world.store.leaves.length
})

describe('the first admin', () => {
  it('is the user of the machine who initialized the server, once', async () => {
    expect(whoami(world.admin)).toMatchObject({ kind: 'local', name: 'local:1000', roles: ['admin'] })
    const second = () => bootstrapFirstAdmin(world.ports, { uid: 1001, name: 'other' })
    expect(await codeOfAsync(second)).toBe('BOOTSTRAP_DONE')
    const [principal] = world.store.all('Principal')
    await addPrincipal(world.ports, world.admin, { subject: 'local:1001', name: 'second', roles: ['admin'] })
    await removePrincipal(world.ports, world.admin, principal?.id ?? '')
    expect(await codeOfAsync(second)).toBe('BOOTSTRAP_DONE')
  })
})

/** Each story of administration, and the roles that may tell it besides admin. */
const STORIES: Readonly<
  Record<string, { readonly roles: readonly Role[]; readonly tell: (caller: Caller) => Promise<unknown> }>
> = {
  addAgent: { roles: ['operator'], tell: (caller) => addAgent(world.ports, caller, { name: 'x', owner: 'team' }) },
  suspendAgent: { roles: ['operator'], tell: (caller) => suspendAgent(world.ports, caller, NAME) },
  retireAgent: { roles: ['operator'], tell: (caller) => retireAgent(world.ports, caller, NAME) },
  addResource: { roles: ['operator'], tell: (caller) => addResource(world.ports, caller, RESOURCE) },
  addJoinToken: { roles: ['operator'], tell: (caller) => addJoinToken(world.ports, caller, { agent: NAME.name }) },
  addPrincipal: {
    roles: [],
    tell: (caller) => addPrincipal(world.ports, caller, { subject: 'local:9', name: 'x', roles: ['viewer'] }),
  },
  setOrchestration: {
    roles: [],
    tell: (caller) => {
      const [first] = world.store.all('Principal')
      return setOrchestration(world.ports, caller, { id: first?.id ?? '', subjects: [], agents: [] })
    },
  },
  listPrincipals: { roles: ['auditor'], tell: (caller) => listPrincipals(world.ports, caller, PAGE) },
  listLeaves: { roles: ['auditor'], tell: (caller) => listLeaves(world.ports, caller, PAGE) },
  listAgents: { roles: ROLES, tell: (caller) => listAgents(world.ports, caller, PAGE) },
  listResources: { roles: ROLES, tell: (caller) => listResources(world.ports, caller, PAGE) },
  listJoinTokens: { roles: ROLES, tell: (caller) => listJoinTokens(world.ports, caller, PAGE) },
  listInstances: { roles: ROLES, tell: (caller) => listInstances(world.ports, caller, PAGE) },
  listCertificates: { roles: ROLES, tell: (caller) => listCertificates(world.ports, caller, PAGE) },
  listAuthorities: { roles: ROLES, tell: (caller) => listAuthorities(world.ports, caller, PAGE) },
}

describe('promise 2: each story of administration names its roles', () => {
  it.each(Object.keys(STORIES))('%s', async (name) => {
    const story = STORIES[name]
    if (story === undefined) throw new TypeError('no such story')
    for (const role of ROLES) {
      world = await newWorld()
      await newAgent(world)
      const caller = await callerWith(world, role)
      const may = role === 'admin' || story.roles.includes(role)
      expect([role, await codeOfAsync(() => story.tell(caller))]).toEqual([role, may ? 'ACCEPTED' : 'ROLE_REQUIRED'])
    }
    expect(await codeOfAsync(() => story.tell(world.anonymous))).toBe('AUTHENTICATION_REQUIRED')
  })

  it('and an agent without a role may do none of it', async () => {
    await newAgent(world)
    const { peer } = await enrollNew(world)
    const caller = await authenticate(world.ports, peer)
    for (const story of Object.values(STORIES)) {
      expect(await codeOfAsync(() => story.tell(caller))).toBe('ROLE_REQUIRED')
    }
  })

  it('refusals of known callers are written down, those of unknown ones are not', async () => {
    const viewer = await callerWith(world, 'viewer')
    since = world.store.leaves.length
    const request = { name: 'x', owner: 'team' }
    expect(await codeOfAsync(() => addAgent(world.ports, viewer, request))).toBe('ROLE_REQUIRED')
    expect(await codeOfAsync(() => addAgent(world.ports, world.anonymous, request))).toBe('AUTHENTICATION_REQUIRED')
    expect(trail(world, since)).toEqual(['agent.added deny:ROLE_REQUIRED'])
  })
})

describe('agents', () => {
  it('are added, listed and shown, and that is written down', async () => {
    const agent = await newAgent(world)
    expect(await showAgent(world.ports, world.admin, 'invoice-bot')).toEqual(agent)
    expect((await listAgents(world.ports, world.admin, PAGE)).items).toEqual([agent])
    expect(trail(world, since)).toEqual(['agent.added permit'])
    expect(world.store.events.at(-1)).toMatchObject({ type: 'agent.added', data: { agent: agent.id } })
    expect(await codeOfAsync(() => showAgent(world.ports, world.admin, 'nobody'))).toBe('AGENT_UNKNOWN')
  })

  it('have a name of their own', async () => {
    await newAgent(world)
    expect(await codeOfAsync(() => newAgent(world))).toBe('AGENT_NAME_TAKEN')
    expect(trail(world, since)).toEqual(['agent.added permit', 'agent.added deny:AGENT_NAME_TAKEN'])
  })

  it('cannot be permitted what no resource has', async () => {
    const permissions = [{ audience: RESOURCE.audience, actions: ['invoices:read'] }]
    expect(await codeOfAsync(() => newAgent(world, { permissions }))).toBe('AGENT_AUDIENCE_UNKNOWN')
    await addResource(world.ports, world.admin, RESOURCE)
    expect((await newAgent(world, { permissions })).permissions).toEqual(permissions)
  })

  it('cannot have a DNS name of the server', async () => {
    expect(await codeOfAsync(() => newAgent(world, { dnsNames: ['id.example.org'] }))).toBe('AGENT_DNS_NAME_RESERVED')
  })

  it('that administer are an admin’s business alone', async () => {
    const operator = await callerWith(world, 'operator')
    const person = { name: 'alice', owner: 'alice', path: '/admin/alice' }
    expect(await codeOfAsync(() => addAgent(world.ports, operator, person))).toBe('ROLE_REQUIRED')
    await addAgent(world.ports, world.admin, person)
    expect(await codeOfAsync(() => addJoinToken(world.ports, operator, { agent: 'alice' }))).toBe('ROLE_REQUIRED')
    expect(await codeOfAsync(() => suspendAgent(world.ports, operator, { name: 'alice' }))).toBe('ROLE_REQUIRED')
  })

  it('are suspended, resumed and retired, step by step', async () => {
    const agent = await newAgent(world)
    expect(await codeOfAsync(() => resumeAgent(world.ports, world.admin, NAME))).toBe('AGENT_STATE')
    const suspended = await suspendAgent(world.ports, world.admin, NAME)
    expect(suspended).toMatchObject({ state: 'suspended', version: agent.version + 1 })
    expect(await codeOfAsync(() => suspendAgent(world.ports, world.admin, NAME))).toBe('AGENT_STATE')
    expect(await resumeAgent(world.ports, world.admin, NAME)).toMatchObject({ state: 'active' })
    expect(await retireAgent(world.ports, world.admin, NAME)).toMatchObject({ state: 'retired' })
    expect(await codeOfAsync(() => resumeAgent(world.ports, world.admin, NAME))).toBe('AGENT_STATE')
    expect(await codeOfAsync(() => newAgent(world))).toBe('AGENT_NAME_TAKEN')
    expect(world.store.events.map(({ type }) => type).filter((type) => type.startsWith('agent.'))).toEqual([
      'agent.added',
      'agent.suspended',
      'agent.resumed',
      'agent.retired',
    ])
  })

  it('are changed only at the version that was looked at', async () => {
    const { version } = await newAgent(world)
    const outdated = { ...NAME, version: version + 1 }
    expect(await codeOfAsync(() => suspendAgent(world.ports, world.admin, outdated))).toBe('AGENT_CHANGED')
    const both = [1, 2].map(() => codeOfAsync(() => suspendAgent(world.ports, world.admin, NAME)))
    expect((await Promise.all(both)).sort()).toEqual(['ACCEPTED', 'AGENT_CHANGED'])
  })

  it('promise 6: suspending leaves a cutoff that kills what tokens there were, and no certificate', async () => {
    const agent = await newAgent(world)
    const now = world.clock.now()
    await suspendAgent(world.ports, world.admin, NAME)
    expect(world.store.all('Cutoff')).toEqual([
      {
        key: `actor:${agent.id}`,
        kind: 'actor',
        value: agent.id,
        before: now + SECOND,
        reason: 'agent.suspended',
        createdBy: 'local:1000',
        createdAt: now,
      },
    ])
    await resumeAgent(world.ports, world.admin, NAME)
    expect(world.store.all('Cutoff')).toHaveLength(1)
  })
})

describe('join tokens', () => {
  it('are shown once with the pins of the anchors, and listed without', async () => {
    await newAgent(world)
    const { token, record } = await addJoinToken(world.ports, world.admin, { agent: 'invoice-bot' })
    const { pins } = parseJoinToken(token.reveal())
    const anchors = world.authorities.current().anchors()
    expect(pins.map((pin) => Buffer.from(pin).toString('hex'))).toEqual(
      anchors.map(({ publicKey }) => Buffer.from(publicKey.spkiHash).toString('hex')),
    )
    const { items } = await listJoinTokens(world.ports, world.admin, PAGE)
    expect(items).toEqual([record])
    expect(JSON.stringify(items)).not.toContain(token.reveal().split('.')[0])
    expect(trail(world, since)).toEqual(['agent.added permit', 'join-token.added permit'])
  })

  it('pin every anchor of the bundle, the one that signs first, so that a taint before their use locks nobody out', async () => {
    await newAgent(world)
    await rotateAuthorities(world.ports, { standby: true })
    await withSuccessor(world)
    const set = world.authorities.current()
    expect(set.anchors()).toHaveLength(3)
    const { token } = await addJoinToken(world.ports, world.admin, { agent: 'invoice-bot' })
    const pins = parseJoinToken(token.reveal()).pins.map((pin) => toHex(pin))
    const anchors = set.anchors().map(({ publicKey }) => toHex(publicKey.spkiHash))
    expect(pins.toSorted()).toEqual(anchors.toSorted())
    expect(pins[0]).toBe(toHex(set.anchorOf(set.active('x509').authorityId).publicKey.spkiHash))
  })

  it('are not made for agents that are not there, stopped, or attest otherwise', async () => {
    const make = (agent: string) => codeOfAsync(() => addJoinToken(world.ports, world.admin, { agent }))
    expect(await make('nobody')).toBe('AGENT_UNKNOWN')
    await newAgent(world, { name: 'attested', selectors: ['tpm:corp:ek:1'] })
    expect(await make('attested')).toBe('JOIN_TOKEN_AGENT_HAS_SELECTORS')
    await newAgent(world)
    await suspendAgent(world.ports, world.admin, NAME)
    expect(await make('invoice-bot')).toBe('AGENT_SUSPENDED')
    const long = { agent: 'invoice-bot', lifetime: DAY + SECOND }
    await resumeAgent(world.ports, world.admin, NAME)
    expect(await codeOfAsync(() => addJoinToken(world.ports, world.admin, long))).toBe('JOIN_TOKEN_LIFETIME')
  })

  it('are deleted once, and not after they were redeemed', async () => {
    await newAgent(world)
    const { record } = await addJoinToken(world.ports, world.admin, { agent: 'invoice-bot' })
    await deleteJoinToken(world.ports, world.admin, record.id)
    expect(await codeOfAsync(() => deleteJoinToken(world.ports, world.admin, record.id))).toBe('JOIN_TOKEN_UNKNOWN')
    expect((await listJoinTokens(world.ports, world.admin, PAGE)).items).toEqual([])
    await enrollNew(world)
    const [used] = (await listJoinTokens(world.ports, world.admin, PAGE)).items
    expect(await codeOfAsync(() => deleteJoinToken(world.ports, world.admin, used?.id ?? ''))).toBe('JOIN_TOKEN_USED')
  })
})
