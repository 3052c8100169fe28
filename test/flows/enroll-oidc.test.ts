import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { authenticate } from '#flows/authenticate.ts'
import { enroll, type EnrollPorts } from '#flows/enroll.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { renew } from '#flows/renew.ts'
import { HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import { registryError } from '#registry/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { csrOf, newAgent, newWorld, peerWith, trail, type World } from '../support/enrollment.ts'
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
import { newKeyPair } from '../support/x509.ts'

const LEAF = {
  type: 'instance.revoked',
  actor: 'local:1000',
  decision: 'permit',
  inputDigest: null,
  policy: null,
  commitments: {},
} as const

let key: SigningKey
beforeAll(async () => {
  key = await signingKey()
})

let world: World
let ports: EnrollPorts
beforeEach(async () => {
  world = await newWorld()
  ports = { ...world.enrolling, attestors: [oidcWith([GITHUB_PROVIDER, CLUSTER_PROVIDER], key)] }
  await newAgent(world, { name: 'deploy', selectors: ['oidc:github:repository:octo-org/octo-repo'] })
  await newAgent(world, { name: 'invoice-bot', selectors: ['oidc:cluster:kubernetes.io/namespace:billing'] })
})

const job = (changes = {}) => signedBy(key, githubClaims(world.clock.now(), changes))
const pod = (changes = {}) => signedBy(key, podClaims(world.clock.now(), { jti: crypto.randomUUID() }, changes))
const newCsr = () => csrOf(newKeyPair())
const enrollWith = async (token: string, csr?: string, agent?: string) =>
  enroll(ports, world.anonymous, { attestor: 'oidc', evidence: { token }, csr: csr ?? (await newCsr()), agent })
const attempt = (token: string, csr?: string) => codeOfAsync(() => enrollWith(token, csr))
const instances = () => world.store.all('Instance')
const alive = () => instances().filter(({ state }) => state === 'active')

describe('a job enrolls with its token', () => {
  it('as the agent whose selectors the token shows', async () => {
    const since = world.store.leaves.length
    const answer = await enrollWith(await job())
    expect(answer.svid.spiffeId).toBe(`spiffe://example.org/agent/deploy/${answer.instance}`)
    expect(trail(world, since)).toEqual(['certificate.intent permit', 'certificate.issued permit'])
    expect(instances()[0]).toMatchObject({ attestor: 'oidc', keyClass: 'software' })
    expect(instances()[0]?.selectors).toContain('oidc:github:ref:refs/heads/main')
  })

  it('once: another request with the same token is refused, on record', async () => {
    const token = await job()
    await enrollWith(token)
    const since = world.store.leaves.length
    expect(await attempt(token)).toBe('EVIDENCE_USED')
    expect(trail(world, since)).toEqual(['instance.enrolled deny:EVIDENCE_USED'])
    expect(instances()).toHaveLength(1)
  })

  it('once, of fifty requests at the same time', async () => {
    const token = await job()
    const codes = await Promise.all(Array.from({ length: 50 }, () => attempt(token)))
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(new Set(codes)).toEqual(new Set(['ACCEPTED', 'EVIDENCE_USED']))
    expect(instances()).toHaveLength(1)
  })

  it('and may enroll again with another token', async () => {
    await enrollWith(await job())
    await enrollWith(await job({ jti: 'another' }))
    expect(alive()).toHaveLength(2)
  })

  it('promise 14: gets a lost answer again for the same request, for ten minutes', async () => {
    const [token, csr] = [await job(), await newCsr()]
    const first = await enrollWith(token, csr)
    world.clock.advance(10 * MINUTE - SECOND)
    const again = await enrollWith(token, csr)
    expect(again.svid.certificate).toEqual(first.svid.certificate)
    expect(again.instance).toBe(first.instance)
    world.clock.advance(SECOND)
    expect(await attempt(token, csr)).toBe('EVIDENCE_USED')
  })

  it('promise 14: gets a certificate after a crash between intent and signature', async () => {
    const [token, csr] = [await job(), await newCsr()]
    world.store.fail = { when: 'before', commit: world.store.commits + 2 }
    expect(await attempt(token, csr)).toBe('STORE_UNAVAILABLE')
    expect(await attempt(token, csr)).toBe('ISSUANCE_IN_PROGRESS')
    world.clock.advance(5 * MINUTE)
    await reconcileIntents(world.ports, { startedAs: null })
    expect(await attempt(token)).toBe('EVIDENCE_USED')
    const answer = await enrollWith(token, csr)
    expect(instances().map(({ id }) => id)).toEqual([answer.instance])
  })

  it('is refused on record, with the reasons beside the leaf, when no agent asks for what it shows', async () => {
    const since = world.store.leaves.length
    expect(await attempt(await job({ repository: 'octo-org/fork' }))).toBe('AGENT_NOT_MATCHED')
    expect(trail(world, since)).toEqual(['instance.enrolled deny:AGENT_NOT_MATCHED'])
    const kept = Buffer.from(world.store.all('LogPrivate').at(-1)?.bytes ?? []).toString()
    expect(kept).toContain('the evidence has no oidc:github:repository:octo-org/octo-repo')
    expect(instances()).toEqual([])
  })

  it('does not use its token up when it is refused', async () => {
    const token = await job()
    expect(await codeOfAsync(() => enrollWith(token, undefined, 'invoice-bot'))).toBe('AGENT_NOT_MATCHED')
    expect(await attempt(token)).toBe('ACCEPTED')
  })
})

describe('a pod enrolls again while its token is valid', () => {
  it('promise 3: in place of its old instance, which is dead for ever', async () => {
    const first = await enrollWith(await pod())
    world.clock.advance(MINUTE)
    const second = await enrollWith(await pod())
    expect(second.instance).not.toBe(first.instance)
    expect(alive().map(({ id }) => id)).toEqual([second.instance])
    const old = peerWith(first.svid.certificate)
    expect(await codeOfAsync(() => authenticate(world.ports, old))).toMatch(/^CLIENT_CERTIFICATE_/)
    expect(await codeOfAsync(() => authenticate(world.ports, peerWith(second.svid.certificate)))).toBe('ACCEPTED')
    expect(world.store.all('Cutoff')).toMatchObject([{ key: `instance:${first.instance}`, reason: 'superseded' }])
    const [certificate] = world.store.all('Certificate').filter(({ instance }) => instance === first.instance)
    expect(certificate).toMatchObject({ state: 'revoked', reason: 'superseded' })
  })

  it('promise 3: and a renewal of the old one that was begun before is refused', async () => {
    const first = await enrollWith(await pod())
    const caller = await authenticate(world.ports, peerWith(first.svid.certificate))
    await enrollWith(await pod())
    const late = () => newCsr().then((csr) => renew(world.ports, caller, { csr }))
    expect(await codeOfAsync(late)).not.toBe('ACCEPTED')
    expect(alive()).toHaveLength(1)
  })

  it('says so on record, and to those who follow', async () => {
    const first = await enrollWith(await pod())
    await enrollWith(await pod())
    expect(world.store.events.map(({ type }) => type)).toContain('instance.superseded')
    const intent = world.store.leaves.filter(({ type }) => type === 'certificate.intent').at(-1)
    expect(intent?.draft.commitments).toMatchObject({ superseded: first.instance })
  })

  it('with the same token as well', async () => {
    const token = await pod()
    const [first, second] = [await enrollWith(token), await enrollWith(token)]
    expect(alive().map(({ id }) => id)).toEqual([second.instance])
    expect(first.instance).not.toBe(second.instance)
  })

  it('promise 14: a lost answer is given again, and supersedes nothing', async () => {
    const [token, csr] = [await pod(), await newCsr()]
    const [first, again] = [await enrollWith(token, csr), await enrollWith(token, csr)]
    expect(again.instance).toBe(first.instance)
    expect(instances()).toHaveLength(1)
  })

  it('promise 3: a lost answer is not given again once its instance was superseded', async () => {
    const [token, csr] = [await pod(), await newCsr()]
    await enrollWith(token, csr)
    const second = await enrollWith(await pod())
    expect(await attempt(token, csr)).toBe('INSTANCE_NOT_ACTIVE')
    expect(alive().map(({ id }) => id)).toEqual([second.instance])
  })

  it('and leaves other pods, and another agent of the same pod, alone', async () => {
    await newAgent(world, {
      name: 'sidecar',
      selectors: ['oidc:cluster:kubernetes.io/serviceaccount/name:invoice-bot'],
    })
    await enrollWith(await pod(), undefined, 'invoice-bot')
    await enrollWith(await pod({ uid: 'another' }), undefined, 'invoice-bot')
    await enrollWith(await pod(), undefined, 'sidecar')
    expect(alive()).toHaveLength(3)
  })

  it('after an operator has revoked its instance, which stays revoked', async () => {
    const first = await enrollWith(await pod())
    await world.store.commit({
      lock: 'revoke',
      guards: [],
      changes: [
        {
          op: 'update',
          table: 'Instance',
          where: { id: first.instance },
          set: { state: 'revoked' },
          refuse: () => registryError('INSTANCE_UNKNOWN'),
        },
      ],
      leaf: { ...LEAF, object: `instance:${first.instance}` },
      events: [],
    })
    const second = await enrollWith(await pod())
    expect(instances().map(({ id, state }) => [id, state])).toEqual(
      expect.arrayContaining([
        [first.instance, 'revoked'],
        [second.instance, 'active'],
      ]),
    )
  })

  it('and of ten at once one stays alive', async () => {
    const tokens = await Promise.all(Array.from({ length: 10 }, () => pod()))
    const codes = await Promise.all(tokens.map((token) => attempt(token)))
    expect(new Set(codes).difference(new Set(['ACCEPTED', 'WORKLOAD_CHANGED', 'ISSUANCE_INTERRUPTED']))).toEqual(
      new Set(),
    )
    expect(codes).toContain('ACCEPTED')
    expect(alive()).toHaveLength(1)
    world.clock.advance(HOUR)
    expect(await attempt(await pod())).toBe('ACCEPTED')
  })
})
