import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { OutboxRecord } from '#audit/index.ts'
import { resumeAgent, retireAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { addPrincipal, removePrincipal } from '#flows/admin/principals.ts'
import { authenticateForRenewal } from '#flows/authenticate.ts'
import { completeTask } from '#flows/complete-task.ts'
import { enroll } from '#flows/enroll.ts'
import { renew } from '#flows/renew.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import { revokeTask } from '#flows/revoke-task.ts'
import { revokeToken } from '#flows/revoke-token.ts'
import { followTaints } from '#flows/rotation/follow-taints.ts'
import { takenBackBy } from '#flows/ssf/cuts.ts'
import { suspendTask } from '#flows/suspend-task.ts'
import { transitionAuthority } from '#flows/transition-authority.ts'
import { sha256Hex } from '#kernel/digest.ts'
import { DAY, MINUTE } from '#kernel/instant.ts'
import type { CutoffRecord, RevocationHandle, RevocationReason } from '#revocation/index.ts'
import type { MemoryStore } from '../fakes/memory-store.ts'
import { byState, step, withSuccessor } from '../support/authority-steps.ts'
import { csrOf, enrollNew, newAgent, newWorld, type Enrolled, type World } from '../support/enrollment.ts'
import { CLUSTER_PROVIDER, oidcWith, podClaims, signedBy, signingKey, type SigningKey } from '../support/oidc.ts'
import { ISSUER, TaskHouse, type Copy } from '../support/task-house.ts'
import { newKeyPair } from '../support/x509.ts'

const SELECTOR = 'oidc:cluster:kubernetes.io/namespace:billing'

/** What an event says that a row of a cutoff says. */
function noticeOf({ kind, value, before }: CutoffRecord): object {
  if (kind === 'subject') return { kind, digest: sha256Hex(`${ISSUER}\n${value}`), before }
  return kind === 'selector' ? { kind, digest: sha256Hex(value), before } : { kind, value, before }
}

/** Whatever is cut off is in what streams of security events are made from, as far as it was cut off. */
async function expectToldToStreams(
  store: MemoryStore,
  emitted: readonly OutboxRecord[],
  written: readonly CutoffRecord[],
): Promise<void> {
  const ports = { reader: store, profile: { publicUrl: ISSUER } }
  const told = await Promise.all(emitted.map((event) => takenBackBy(ports, event)))
  const cuts = told.flatMap((one) => one?.cuts ?? []).map(({ kind, value, before }) => ({ kind, value, before }))
  expect(cuts).toEqual(expect.arrayContaining(written.map(({ kind, value, before }) => ({ kind, value, before }))))
  expect(cuts).toHaveLength(written.length)
  const serials = emitted.flatMap(({ data }) => (data['certificates'] ?? []) as readonly string[])
  expect(told.flatMap((one) => one?.serials ?? [])).toEqual(serials)
}

/** The events of what is done, which must say every cutoff that it writes, and nobody's name. */
async function eventsOf(store: MemoryStore, act: () => Promise<unknown>): Promise<readonly OutboxRecord[]> {
  const [events, before] = [store.events.length, new Map(store.all('Cutoff').map((row) => [row.key, row]))]
  await act()
  const written = store.all('Cutoff').filter((row) => JSON.stringify(row) !== JSON.stringify(before.get(row.key)))
  const emitted = store.events.slice(events)
  const said = emitted.flatMap(({ data }) => (data['cutoffs'] ?? []) as readonly object[])
  expect(said).toEqual(expect.arrayContaining(written.map(noticeOf)))
  expect(said).toHaveLength(written.length)
  for (const { createdAt } of written) expect(emitted.map(({ data }) => data['at'])).toContain(createdAt)
  for (const { value } of written.filter(({ kind }) => kind === 'subject' || kind === 'selector')) {
    expect(JSON.stringify(emitted)).not.toContain(value)
  }
  await expectToldToStreams(store, emitted, written)
  return emitted
}

/** Type of the event, and kinds of what it cut off. */
const shown = (events: readonly OutboxRecord[]): readonly string[] =>
  events.map(({ type, data }) =>
    [type, ...((data['cutoffs'] ?? []) as readonly { kind: string }[]).map(({ kind }) => kind)].join(' '),
  )

let key: SigningKey
beforeAll(async () => {
  key = await signingKey()
})

describe('SS-7 every path by which a certificate or a key is taken back says so, in the same commit', () => {
  let world: World
  let bot: Enrolled
  beforeEach(async () => {
    world = await newWorld()
    await newAgent(world)
    bot = await enrollNew(world)
    world.clock.advance(MINUTE)
  })

  const instance = () => world.store.all('Instance').find(({ id }) => id === bot.answer.instance)
  const certificate = () => world.store.all('Certificate').find((row) => row.instance === bot.answer.instance)
  const take = (handle: RevocationHandle, value = '', reason: RevocationReason = 'unspecified') =>
    revoke(world.ports, world.admin, { handle, value, reason })

  async function supersede(): Promise<void> {
    await newAgent(world, { name: 'pod', selectors: [SELECTOR] })
    const ports = { ...world.enrolling, attestors: [oidcWith([CLUSTER_PROVIDER], key)] }
    for (const jti of ['one', 'two']) {
      const token = await signedBy(key, podClaims(world.clock.now(), { jti }))
      await enroll(ports, world.anonymous, {
        attestor: 'oidc',
        evidence: { token },
        csr: await csrOf(newKeyPair()),
        agent: 'pod',
      })
    }
  }

  const PATHS: readonly (readonly [path: string, events: readonly string[], act: () => Promise<unknown>])[] = [
    ['by certificate', ['credential.revoked lineage'], () => take('certificate', certificate()?.serial)],
    [
      'by certificate, with its key',
      ['credential.revoked lineage spki'],
      () => take('certificate', certificate()?.serial, 'key_compromise'),
    ],
    ['by instance', ['credential.revoked instance'], () => take('instance', bot.answer.instance)],
    ['by lineage', ['credential.revoked lineage'], () => take('lineage', instance()?.lineage)],
    ['by agent', ['credential.revoked agent'], () => take('agent', 'invoice-bot')],
    ['by key', ['credential.revoked spki'], () => take('key', certificate()?.spkiHash)],
    ['by key, compromised', ['credential.revoked spki'], () => take('key', 'ab'.repeat(32), 'key_compromise')],
    ['by evidence', ['credential.revoked evidence'], () => take('evidence', instance()?.evidenceDigest)],
    ['by trust domain', ['credential.revoked trust-domain'], () => take('trust-domain', 'example.org')],
    [
      'by lineage, with its keys',
      ['credential.revoked lineage spki'],
      () => take('lineage', instance()?.lineage, 'key_compromise'),
    ],
    [
      'by instance, with its keys',
      ['credential.revoked instance spki'],
      () => take('instance', bot.answer.instance, 'key_compromise'),
    ],
    [
      'by authority',
      ['credential.revoked authority'],
      () => take('authority', certificate()?.authority, 'ca_compromise'),
    ],
    [
      'by node',
      ['credential.revoked node'],
      () => {
        const node = { id: 'nod_1', name: 'n', attestor: 'tpm', selectors: [], lastSeen: world.clock.now() }
        world.store.seed('Node', { ...node, bundleSequence: 0 })
        return take('node', 'nod_1')
      },
    ],
    [
      'suspending its agent',
      ['agent.suspended actor'],
      () => suspendAgent(world.ports, world.admin, { name: 'invoice-bot' }),
    ],
    [
      'retiring its agent',
      ['agent.retired agent'],
      () => retireAgent(world.ports, world.admin, { name: 'invoice-bot' }),
    ],
  ]

  it.each(PATHS)('%s', async (_path, events, act) => {
    expect(shown(await eventsOf(world.store, act))).toEqual(events)
  })

  it('one that a newer one has superseded, revoked alone, by its serial', async () => {
    const serial = certificate()?.serial ?? ''
    const caller = await authenticateForRenewal(world.ports, bot.peer)
    await renew(world.enrolling, caller, { csr: await csrOf(newKeyPair()) })
    const [event] = await eventsOf(world.store, () => take('certificate', serial, 'superseded'))
    expect(event).toMatchObject({ type: 'credential.revoked', data: { certificates: [serial], cutoffs: [] } })
  })

  it('by selector', async () => {
    await supersede()
    const events = await eventsOf(world.store, () => take('selector', SELECTOR))
    expect(shown(events)).toEqual(['credential.revoked selector'])
  })

  it('a workload that comes again takes the place of what it was', async () => {
    const events = await eventsOf(world.store, supersede)
    expect(shown(events)).toContain('instance.superseded instance')
  })

  it('resuming an agent, and removing a principal, cut off nothing and are said all the same', async () => {
    await suspendAgent(world.ports, world.admin, { name: 'invoice-bot' })
    const resumed = await eventsOf(world.store, () => resumeAgent(world.ports, world.admin, { name: 'invoice-bot' }))
    expect(shown(resumed)).toEqual(['agent.resumed'])
    const { id } = await addPrincipal(world.ports, world.admin, { subject: 'local:77', name: 'x', roles: ['viewer'] })
    const removed = await eventsOf(world.store, () => removePrincipal(world.ports, world.admin, id))
    expect(shown(removed)).toEqual(['principal.removed'])
  })

  it.each(['taint', 'retire'] as const)('an authority: %s', async (name) => {
    const first = byState(world, 'x509', 'active')
    const next = await withSuccessor(world)
    await step(world, next.id, 'activate')
    const events = await eventsOf(world.store, () => step(world, first.id, name, true))
    expect(shown(events).some((event) => event.startsWith('authority.changed'))).toBe(true)
  })

  it('what a tainted authority signed, cut off when its time is up', async () => {
    const first = byState(world, 'x509', 'active')
    const next = await withSuccessor(world)
    await step(world, next.id, 'activate')
    await eventsOf(world.store, () => step(world, first.id, 'taint', true))
    world.clock.advance(DAY)
    const events = await eventsOf(world.store, () => followTaints(world.ports))
    expect(shown(events)).toContain('credential.revoked authority')
  })

  it('what an authority signed whose key somebody else has, cut off with its taint', async () => {
    const first = byState(world, 'x509', 'active')
    await withSuccessor(world)
    const taint = { actor: 'local:0', id: first.id, step: 'taint', urgent: true, compromised: true } as const
    const events = await eventsOf(world.store, () => transitionAuthority(world.ports, taint))
    expect(shown(events)).toContain('credential.revoked authority')
  })
})

describe('SS-7 every path by which a task or a token is taken back says so, in the same commit', () => {
  let house: TaskHouse
  let copy: Copy
  let task: string
  let token: string
  beforeEach(async () => {
    house = await TaskHouse.build()
    copy = house.addAgent('invoice-bot')
    task = (await house.open(copy)).id
    token = (await house.start(copy, task)).accessToken
  })

  const operator = () => house.principal('local:1000', 'operator')
  const take = (handle: RevocationHandle, value: string) =>
    revoke(house.ports, operator(), { handle, value, reason: 'unspecified' })

  const PATHS: readonly (readonly [path: string, events: readonly string[], act: () => Promise<unknown>])[] = [
    ['by task', ['task.revoked task'], () => take('task', task)],
    ['by token', ['credential.revoked token'], () => take('token', house.claims(token).id)],
    ['by subject', ['credential.revoked subject'], () => take('subject', copy.spiffeId)],
    ['RFC 7009', ['token.revoked token'], () => revokeToken(house.ports, house.caller(copy), { token })],
    ['the task is completed', ['task.completed task'], () => completeTask(house.ports, house.caller(copy), task)],
    ['the task is revoked', ['task.revoked task'], () => revokeTask(house.ports, operator(), task)],
    ['the task is suspended', ['task.suspended task'], () => suspendTask(house.ports, operator(), task)],
    [
      'the agent is suspended',
      ['agent.suspended actor'],
      () => suspendAgent(house.ports, operator(), { name: 'invoice-bot' }),
    ],
  ]

  it.each(PATHS)('%s', async (_path, events, act) => {
    expect(shown(await eventsOf(house.store, act))).toEqual(events)
  })
})

describe('SS-7 the paths above', () => {
  /** Every story that writes a cutoff, or puts something into a state that it never leaves. Each has its path above. */
  const KNOWN = [
    'admin/agent-state.ts',
    'admin/principals.ts',
    'change-task.ts',
    // The certificates of responders: nobody outside holds one.
    'keep-delegates.ts',
    'revoke-token.ts',
    'revoke/revoke.ts',
    'revoke/target.ts',
    'rotation/taints.ts',
    'workload-place.ts',
  ]
  const flows = join(import.meta.dirname, '../../src/flows')
  const TAKES_BACK =
    /raiseCutoff\(|table: 'Cutoff', row|set: \{[^}]*(state: '(revoked|superseded|removed|retired)'|revokedAt)/

  it('are all there are: whoever takes something back in another place adds a path', () => {
    const files = readdirSync(flows, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
    const found = files.filter((name) => TAKES_BACK.test(readFileSync(join(flows, name), 'utf8')))
    expect(found.sort()).toEqual(KNOWN)
  })
})
