import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Caller } from '#authentication/index.ts'
import { retireAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { addAgent } from '#flows/admin/agents.ts'
import { bootstrapFirstAdmin } from '#flows/admin/bootstrap.ts'
import { addJoinToken } from '#flows/admin/join-tokens.ts'
import { addResource } from '#flows/admin/resources.ts'
import { authenticate, authenticateForRenewal } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import { issueJwtSvid } from '#flows/issue-jwt-svid.ts'
import { openTask } from '#flows/open-task.ts'
import { renew } from '#flows/renew.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { MINUTE } from '#kernel/instant.ts'
import { dropIdle, REAL_KINDS, type Database } from '../contract/store/subjects.ts'
import { USERS } from '../fakes/users.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { csrOf, joinWith, peerWith } from '../support/enrollment.ts'
import { closeReplicas, openReplicas, type ReplicaPorts } from '../support/replicas.ts'
import { BILLING, ISSUER, OPENING, READ } from '../support/task-house.ts'
import { newKeyPair } from '../support/x509.ts'

const ADMIN = { kind: 'unix', uid: 1000 } as const
const ANYONE = { kind: 'tls', chain: [], address: '192.0.2.1' } as const
const WAYS = ['certificate', 'instance', 'lineage', 'agent', 'evidence', 'retire', 'suspend'] as const
type Way = (typeof WAYS)[number]

/** Races at the same time, and in all. */
const AT_ONCE = 20
const RACES = 1000

/** Refusals that such a race may end with; anything else is a mistake of ours. */
const REFUSALS: readonly string[] = [
  'ACCEPTED',
  'AGENT_SUSPENDED',
  'AGENT_RETIRED',
  'AGENT_NOT_MATCHED',
  'CLIENT_CERTIFICATE_REVOKED',
  'ISSUANCE_AGENT_CHANGED',
  'ISSUANCE_CUT_OFF',
  'ISSUANCE_INSTANCE_ENDED',
  // Taken back between its intent and its signature.
  'ISSUANCE_INTERRUPTED',
  'ISSUANCE_PAUSED',
  'POLICY_AGENT_NOT_ACTIVE',
  'STANDING_CHANGED',
]

afterAll(dropIdle)

interface Racer {
  readonly agent: string
  readonly instance: string
  readonly certificate: Bytes
  /** Not redeemed yet. */
  readonly token: string
  readonly csr: string
}

describe.each(REAL_KINDS)('on $name, with two replicas', (kind) => {
  let database: Database
  let replicas: readonly [ReplicaPorts, ReplicaPorts]
  let admin: Caller
  beforeEach(async () => {
    database = await kind.make()
    replicas = await openReplicas(database)
    await bootstrapFirstAdmin(replicas[0], { uid: 1000, name: 'operator' })
    admin = await authenticate(replicas[0], ADMIN)
    const resource = { audience: BILLING, owner: 'billing team', spiffeIds: [], actions: ['invoices:read'] }
    await addResource(replicas[0], admin, resource)
  })
  afterEach(async () => {
    await closeReplicas(replicas)
    await database.dispose()
  })

  async function racer(number: number): Promise<Racer> {
    const [ports] = replicas
    const agent = `bot-${String(number)}`
    const permissions = [{ audience: BILLING, actions: ['invoices:read'] }]
    await addAgent(ports, admin, { name: agent, owner: 'billing team', permissions })
    const token = async () => (await addJoinToken(ports, admin, { agent })).token.reveal()
    const join = joinWith(await token(), await csrOf(newKeyPair()))
    const { instance, svid } = await enroll(ports, await authenticate(ports, ANYONE), join)
    return { agent, instance, certificate: svid.certificate, token: await token(), csr: await csrOf(newKeyPair()) }
  }

  async function end(way: Way, { agent, instance, certificate }: Racer): Promise<unknown> {
    const [ports] = replicas
    if (way === 'suspend') return suspendAgent(ports, admin, { name: agent })
    if (way === 'retire') return retireAgent(ports, admin, { name: agent })
    const row = await ports.reader.find('Instance', { id: instance })
    const [first] = await ports.reader.list('Certificate', { where: { instance }, limit: 1 })
    const values = {
      certificate: first?.serial,
      instance,
      lineage: row?.lineage,
      agent,
      evidence: row?.evidenceDigest,
    }
    expect(certificate.length).toBeGreaterThan(0)
    return revoke(ports, admin, { handle: way, value: values[way] ?? '', reason: 'unspecified' })
  }

  /** Everything that it can ask for, each of them at the other replica too. */
  function asks({ certificate, token, csr }: Racer, kept: Bytes[]): readonly (() => Promise<unknown>)[] {
    const peer = peerWith(certificate)
    return replicas.flatMap((ports, index) => [
      async () => {
        const key = index === 0 ? csr : await csrOf(newKeyPair())
        kept.push((await renew(ports, await authenticateForRenewal(ports, peer), { csr: key })).svid.certificate)
      },
      async () => issueJwtSvid(ports, await authenticate(ports, peer), { audience: [ISSUER] }),
      async () =>
        openTask({ ...ports, users: USERS }, await authenticate(ports, peer), { ...OPENING, authority: [READ] }),
      ...(index === 0 ? [] : [async () => enroll(ports, await authenticate(ports, ANYONE), joinWith(token, csr))]),
    ])
  }

  async function race(number: number): Promise<readonly string[]> {
    const way = WAYS[number % WAYS.length] ?? 'agent'
    const one = await racer(number)
    const kept: Bytes[] = []
    const running = asks(one, kept).map((ask) => codeOfAsync(ask))
    // Now and then it comes first, in the middle, or last.
    for (let turn = 0; turn < number % 12; turn++) await new Promise((resolve) => setImmediate(resolve))
    await end(way, one)
    const after = asks(one, []).slice(0, -1)
    const refused = await Promise.all(after.map((ask) => codeOfAsync(ask)))
    expect(refused, way).not.toContain('ACCEPTED')
    const raced = await Promise.all(running)
    if (way !== 'suspend') {
      for (const certificate of [one.certificate, ...kept]) {
        const code = await codeOfAsync(() => authenticate(replicas[1], peerWith(certificate)))
        expect(code, way).toBe('CLIENT_CERTIFICATE_REVOKED')
      }
    }
    return [...refused, ...raced]
  }

  it(
    'promise 3: of a renewal, an identity token, a task and an enrollment, and a revocation, nothing outlives the latter',
    { timeout: 600_000 },
    async () => {
      const seen = new Set<string>()
      for (let number = 0; number < RACES; number += AT_ONCE) {
        const some = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => race(number + index)))
        for (const code of some.flat()) seen.add(code)
        database.clock.advance(MINUTE / 60)
      }
      expect([...seen].filter((code) => !REFUSALS.includes(code))).toEqual([])
      // Both have won, now and then.
      expect(seen).toContain('ACCEPTED')
      expect(seen.size).toBeGreaterThan(3)
    },
  )

  it(
    'a hundred identical revocations at once leave one cutoff, and all of them are answered',
    { timeout: 120_000 },
    async () => {
      const { instance, agent } = await racer(0)
      for (const request of [
        { handle: 'agent', value: agent, reason: 'unspecified' },
        { handle: 'instance', value: instance, reason: 'key_compromise' },
      ] as const) {
        const before = await replicas[0].reader.list('Cutoff', { limit: 10 })
        const codes = await Promise.all(
          Array.from({ length: 100 }, (_, index) =>
            codeOfAsync(() => revoke(replicas[index % 2 === 0 ? 0 : 1], admin, request)),
          ),
        )
        expect(new Set(codes)).toEqual(new Set(['ACCEPTED']))
        const added = await replicas[0].reader.list('Cutoff', { limit: 10 })
        expect(added.length - before.length).toBe(request.handle === 'agent' ? 1 : 2)
      }
      const events = await replicas[0].reader.list('Outbox', { where: { type: 'credential.revoked' }, limit: 1000 })
      expect(events).toHaveLength(2)
    },
  )
})
