import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { addAgent } from '#flows/admin/agents.ts'
import { bootstrapFirstAdmin } from '#flows/admin/bootstrap.ts'
import { authenticate } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import { renew } from '#flows/renew.ts'
import { dropIdle, KINDS, type Database } from '../contract/store/subjects.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { csrOf, peerWith } from '../support/enrollment.ts'
import {
  CLUSTER_PROVIDER,
  GITHUB_PROVIDER,
  githubClaims,
  oidcWith,
  podClaims,
  signedBy,
  signingKey,
  type SigningKey,
} from '../support/oidc.ts'
import { closeReplicas, openReplicas, type ReplicaPorts } from '../support/replicas.ts'
import { newKeyPair } from '../support/x509.ts'

afterAll(dropIdle)

let key: SigningKey
beforeAll(async () => {
  key = await signingKey()
})

describe.each(KINDS.filter(({ replicas }) => replicas))('on $name, with two replicas', (kind) => {
  let database: Database
  let replicas: readonly ReplicaPorts[]
  beforeEach(async () => {
    database = await kind.make()
    const opened = await openReplicas(database)
    const attestors = [oidcWith([GITHUB_PROVIDER, CLUSTER_PROVIDER], key)]
    replicas = opened.map((ports) => ({ ...ports, attestors }))
    const [ports] = opened
    await bootstrapFirstAdmin(ports, { uid: 1000, name: 'operator' })
    const admin = await authenticate(ports, { kind: 'unix', uid: 1000 })
    const add = (name: string, selector: string) =>
      addAgent(ports, admin, { name, owner: 'team', selectors: [selector] })
    await add('deploy', 'oidc:github:repository:octo-org/octo-repo')
    await add('invoice-bot', 'oidc:cluster:kubernetes.io/namespace:billing')
  })
  afterEach(async () => {
    await closeReplicas(replicas)
    await database.dispose()
  })

  const replica = (index: number): ReplicaPorts => {
    const ports = replicas[index % 2]
    if (ports === undefined) throw new TypeError('expected two replicas')
    return ports
  }

  async function enrollAt(index: number, token: string) {
    const ports = replica(index)
    const anyone = await authenticate(ports, { kind: 'tls', chain: [], address: '192.0.2.1' })
    const csr = await csrOf(newKeyPair())
    return enroll(ports, anyone, { attestor: 'oidc', evidence: { token }, csr })
  }

  const atOnce = (count: number, tokenOf: () => Promise<string>) =>
    Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const token = await tokenOf()
        return codeOfAsync(() => enrollAt(index, token))
      }),
    )
  const instances = () => replica(1).reader.list('Instance', { limit: 1000 })
  const pod = () => signedBy(key, podClaims(database.clock.now(), { jti: crypto.randomUUID() }))

  it('promise 3: of 40 enrollments with one token of a job at once exactly one wins', async () => {
    const token = await signedBy(key, githubClaims(database.clock.now()))
    const codes = await atOnce(40, () => Promise.resolve(token))
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(codes.filter((code) => code === 'EVIDENCE_USED')).toHaveLength(39)
    expect(await instances()).toHaveLength(1)
  })

  it('promise 3: of 12 enrollments of one pod at once one instance stays alive, and the others are cut off', async () => {
    const first = await enrollAt(0, await pod())
    const codes = await atOnce(12, pod)
    expect(codes).toContain('ACCEPTED')
    expect(codes.filter((code) => !['ACCEPTED', 'WORKLOAD_CHANGED', 'ISSUANCE_INTERRUPTED'].includes(code))).toEqual([])
    const [alive, another] = (await instances()).filter(({ state }) => state === 'active')
    expect([alive?.workload, another]).toEqual([expect.any(String), undefined])
    const dead = (await instances()).filter(({ state }) => state !== 'active')
    expect(dead.map(({ workload }) => workload).filter((workload) => workload !== null)).toEqual([])
    const cutoffs = await replica(0).reader.list('Cutoff', { limit: 1000 })
    expect(cutoffs.map(({ value }) => value).sort()).toEqual(dead.map(({ id }) => id).sort())
    expect(dead.map(({ id }) => id)).toContain(first.instance)
  })

  it('promise 3: a renewal that meets a new enrollment of the same pod leaves the old instance nothing', async () => {
    for (let round = 0; round < 5; round++) {
      const { svid, instance } = await enrollAt(0, await pod())
      const [ports, token] = [replica(1), await pod()]
      const caller = await authenticate(ports, peerWith(svid.certificate))
      const csr = await csrOf(newKeyPair())
      await Promise.all([enrollAt(0, token), codeOfAsync(() => renew(ports, caller, { csr }))])
      const where = { instance, state: { in: ['intent', 'issued'] } } as const
      expect(await replica(0).reader.list('Certificate', { where, limit: 10 })).toEqual([])
    }
  })
})
