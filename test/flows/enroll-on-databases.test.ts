import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { suspendAgent } from '#flows/admin/agent-state.ts'
import { addAgent } from '#flows/admin/agents.ts'
import { bootstrapFirstAdmin } from '#flows/admin/bootstrap.ts'
import { addJoinToken } from '#flows/admin/join-tokens.ts'
import { authenticate, authenticateForRenewal } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import { finishEnrollment, startEnrollment } from '#flows/enroll-session.ts'
import { renew } from '#flows/renew.ts'
import { toBase64 } from '#kernel/bytes.ts'
import { after, SECOND } from '#kernel/instant.ts'
import type { EnrollSessions } from '#flows/ports.ts'
import { createCsr } from '#x509/index.ts'
import { dropIdle, KINDS, type Database } from '../contract/store/subjects.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { csrOf, joinWith, peerWith } from '../support/enrollment.ts'
import { closeReplicas, openReplicas, type ReplicaPorts } from '../support/replicas.ts'
import { newKeyPair } from '../support/x509.ts'
import { chainOf, deviceAuthority, deviceLeaf, signedAnswer, withDevices } from '../support/x509pop.ts'

const ADMIN = { kind: 'unix', uid: 1000 } as const
const ANYONE = { kind: 'tls', chain: [], address: '192.0.2.1' } as const

afterAll(dropIdle)

describe.each(KINDS.filter(({ replicas }) => replicas))('on $name, with two replicas', (kind) => {
  let database: Database
  let replicas: readonly [ReplicaPorts, ReplicaPorts]
  let token: string
  beforeEach(async () => {
    database = await kind.make()
    replicas = await openReplicas(database)
    const [ports] = replicas
    await bootstrapFirstAdmin(ports, { uid: 1000, name: 'operator' })
    const admin = await authenticate(ports, ADMIN)
    await addAgent(ports, admin, { name: 'invoice-bot', owner: 'billing team' })
    token = (await addJoinToken(ports, admin, { agent: 'invoice-bot' })).token.reveal()
  })
  afterEach(async () => {
    await closeReplicas(replicas)
    await database.dispose()
  })

  /** Each attempt at the replica whose turn it is. */
  const atOnce = (count: number, attempt: (ports: ReplicaPorts) => Promise<unknown>) =>
    Promise.all(
      Array.from({ length: count }, (_, index) => codeOfAsync(() => attempt(replicas[index % 2 === 0 ? 0 : 1]))),
    )

  async function join(ports: ReplicaPorts) {
    const csr = await csrOf(newKeyPair())
    return enroll(ports, await authenticate(ports, ANYONE), joinWith(token, csr))
  }

  it('promise 3: of 100 redemptions of one join token at once exactly one wins', async () => {
    const results = await atOnce(100, join)
    expect(results.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(results.filter((code) => code === 'JOIN_TOKEN_USED')).toHaveLength(99)
    expect(await replicas[1].reader.list('Instance', { limit: 1000 })).toHaveLength(1)
    expect(await replicas[1].reader.list('Certificate', { where: { kind: 'svid' }, limit: 1000 })).toHaveLength(1)
  })

  it('of 40 answers to one challenge at once exactly one is enrolled, wherever it was asked for', async () => {
    const authority = deviceAuthority(database.clock.now())
    const selectors = ['x509pop:devices:subject:cn:sensor%207']
    await addAgent(replicas[0], await authenticate(replicas[0], ADMIN), { name: 'sensor', owner: 'plant', selectors })
    const [one, two] = replicas.map((ports) => withDevices(ports, ports.reader as unknown as EnrollSessions, authority))
    const csr = await createCsr(newKeyPair().signer)
    const asked = {
      attestor: 'x509pop',
      evidence: chainOf(deviceLeaf(authority, database.clock.now())),
      csr: toBase64(csr),
    }
    if (one === undefined || two === undefined) throw new TypeError('expected two replicas')
    const step = await startEnrollment(one, await authenticate(replicas[0], ANYONE), asked)
    if ('svid' in step) throw new TypeError('expected a challenge')
    const { session, challenge } = step
    const answer = signedAnswer({ session, nonce: challenge.nonce, csr })
    const results = await atOnce(40, async (ports) => {
      const replica = ports === replicas[0] ? one : two
      return finishEnrollment(replica, await authenticate(replicas[0], ANYONE), { session, answer })
    })
    expect(results.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(results.filter((code) => code === 'ENROLL_SESSION_USED')).toHaveLength(39)
    expect(await replicas[1].reader.list('Instance', { limit: 1000 })).toHaveLength(1)
  })

  it('promise 14: of 40 renewals of one expired certificate at once one is made', async () => {
    const { svid } = await join(replicas[0])
    database.clock.set(after(svid.notAfter, SECOND))
    const results = await atOnce(40, async (ports) => {
      const caller = await authenticateForRenewal(ports, peerWith(svid.certificate))
      return renew(ports, caller, { csr: await csrOf(newKeyPair()) })
    })
    expect(results.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    const renewed = { lineage: (await replicas[0].reader.list('Instance', { limit: 1 }))[0]?.lineage ?? '' }
    expect(await replicas[0].reader.list('Certificate', { where: renewed, limit: 1000 })).toHaveLength(2)
  })

  it('promise 6: once an agent is suspended at one replica, none renews anywhere', async () => {
    const { svid } = await join(replicas[0])
    const callers = await Promise.all(
      replicas.map((ports) => authenticateForRenewal(ports, peerWith(svid.certificate))),
    )
    await suspendAgent(replicas[0], await authenticate(replicas[0], ADMIN), { name: 'invoice-bot' })
    const results = await Promise.all(
      callers.map(async (caller, index) => {
        const csr = await csrOf(newKeyPair())
        return codeOfAsync(() => renew(replicas[index === 0 ? 0 : 1], caller, { csr }))
      }),
    )
    expect(results).toEqual(['ISSUANCE_AGENT_CHANGED', 'ISSUANCE_AGENT_CHANGED'])
  })
})
