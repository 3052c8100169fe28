import { beforeEach, describe, expect, it } from 'vitest'
import { stepAuthority, type StepRequest } from '#flows/admin/authorities.ts'
import { authenticate, authenticateForRenewal } from '#flows/authenticate.ts'
import { issueJwtSvid } from '#flows/issue-jwt-svid.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { renew } from '#flows/renew.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import { followTaints } from '#flows/rotation/follow-taints.ts'
import { CurrentAuthorities, type AuthorityKind, type AuthorityRecord } from '#authority/index.ts'
import { showRotation } from '#flows/rotation/show-rotation.ts'
import { DAY, MINUTE } from '#kernel/instant.ts'
import { FOR_EVER } from '#revocation/index.ts'
import { verifyX509Svid } from '#x509/index.ts'
import { byState, states } from '../../support/authority-steps.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { csrOf, enrollNew, newAgent, newWorld, peerWith, type Enrolled, type World } from '../../support/enrollment.ts'
import { svidOrder } from '../../support/trust-domain.ts'
import { newKeyPair } from '../../support/x509.ts'

let world: World
let bot: Enrolled
let first: AuthorityRecord

beforeEach(async () => {
  world = await newWorld()
  await newAgent(world)
  bot = await enrollNew(world)
  first = byState(world, 'x509', 'active')
})

const taint = (id: string, changes: Partial<StepRequest> = {}) =>
  stepAuthority(world.ports, world.admin, {
    id,
    step: 'taint',
    version: undefined,
    urgent: false,
    dryRun: false,
    ...changes,
  })
const stateOf = (id: string) => world.store.all('Authority').find((one) => one.id === id)?.state
const nextOf = async (id: string) =>
  (await showRotation(world.ports, world.admin)).find(({ authority }) => authority.id === id)?.next?.step
const cutoffOf = (id: string) => world.store.all('Cutoff').find(({ key }) => key === `authority:${id}`)

async function renewAs({ peer }: Pick<Enrolled, 'peer'>) {
  const caller = await authenticateForRenewal(world.ports, peer)
  return renew(world.ports, caller, { csr: await csrOf(newKeyPair()) })
}

describe('tainting the authority that signs', () => {
  it('promise 8 lets a successor that is made for it sign at once, and takes the old one out of the bundle', async () => {
    const outcome = await taint(first.id, { reason: 'a faulty module' })
    expect(outcome.map(({ set }) => set.state)).toEqual(['tainted', 'active'])
    const set = world.authorities.current()
    expect(set.anchors()).toHaveLength(1)
    expect(set.active('x509').authorityId).not.toBe(first.id)
    const svid = await issueX509Svid(world.ports, await svidOrder(world))
    verifyX509Svid([svid.certificate], () => set.anchors(), { at: world.clock.now(), purpose: 'clientAuth' })
    const old = [bot.answer.svid.certificate]
    const verifyOld = () => verifyX509Svid(old, () => set.anchors(), { at: world.clock.now(), purpose: 'clientAuth' })
    expect(verifyOld).toThrow(expect.objectContaining({ code: 'PATH_NOT_FOUND' }))
  })

  it('takes the one that is published, if there is one, and never leaves a moment without one', async () => {
    const next = await prepareAuthority(world.ports, { actor: 'local:0', kind: 'x509' })
    const commits = world.store.leaves.length
    await taint(first.id)
    expect(stateOf(next.id)).toBe('active')
    const types = world.store.leaves.slice(commits).map(({ draft }) => draft.type)
    expect(types).toEqual(['authority.publish', 'certificate.intent', 'certificate.issued', 'authority.taint'])
  })

  it.each(['jwt-svid', 'wit-svid', 'access-token', 'status', 'checkpoint'] as const)(
    'works for %s, whose key is trusted nowhere from then on',
    async (kind) => {
      const old = byState(world, kind, 'active')
      await taint(old.id)
      expect(world.authorities.current().active(kind).authorityId).not.toBe(old.id)
      if (kind !== 'checkpoint') expect(world.authorities.current().keySet(kind).find(old.kid)).toBeUndefined()
      await followTaints(world.ports)
      expect(stateOf(old.id)).toBe('tainted')
      // It signed nothing that is revoked one by one.
      expect(await nextOf(old.id)).toBe('retire')
      world.clock.advance(10 * MINUTE)
      await followTaints(world.ports)
      expect(stateOf(old.id)).toBe('retired')
      expect(cutoffOf(old.id)).toBeUndefined()
    },
  )

  it('shows in a dry run what would become of whom, and makes nothing', async () => {
    const before = world.store.all('Authority')
    expect((await taint(first.id, { dryRun: true })).map(({ id, set }) => [id, set.state])).toEqual([
      [first.id, 'tainted'],
    ])
    expect(world.store.all('Authority')).toEqual(before)
  })

  it('is refused under a root that is not at hand, before anything is changed', async () => {
    const rooted = await newWorld({ options: { mode: 'rooted', root: 'generate' } })
    rooted.keys.remove(byState(rooted, 'x509-root', 'active').keyReference)
    const issuing = byState(rooted, 'x509', 'active')
    const request = { id: issuing.id, step: 'taint', version: undefined, urgent: false, dryRun: false } as const
    const code = await codeOfAsync(() => stepAuthority(rooted.ports, rooted.admin, request))
    expect(code).toBe('AUTHORITY_ROOT_UNAVAILABLE')
    expect(states(rooted, 'x509')).toEqual(['active'])
  })

  it('stops another replica that has not heard of it from signing under the old one', async () => {
    const behind = { ...world.ports, authorities: new CurrentAuthorities(world.authorities.current()) }
    await taint(first.id)
    const order = await svidOrder(world)
    expect(await codeOfAsync(() => issueX509Svid(behind, order))).toBe('ISSUANCE_AUTHORITY_CHANGED')
  })

  it('promise 3 stops another replica that has not heard of it from signing tokens with the old key', async () => {
    const behind = { ...world.ports, authorities: new CurrentAuthorities(world.authorities.current()) }
    const request = { audience: [behind.profile.publicUrl] }
    const caller = await authenticate(behind, bot.peer)
    await taint(byState(world, 'jwt-svid', 'active').id)
    expect(await codeOfAsync(() => issueJwtSvid(behind, caller, request))).toBe('ISSUANCE_AUTHORITY_CHANGED')
    await taint(byState(world, 'wit-svid', 'active').id)
    const order = { ...(await svidOrder(world)), wit: true }
    expect(await codeOfAsync(() => issueX509Svid(behind, order))).toBe('ISSUANCE_AUTHORITY_CHANGED')
    expect(await codeOfAsync(() => issueX509Svid(behind, { ...order, wit: false }))).toBe('ACCEPTED')
  })
})

describe('a replica that has not heard of', () => {
  it.each(['activate', 'rollback'] as const)('promise 8 %s goes on signing: both are trusted', async (step) => {
    const take = (id: string, taken: StepRequest['step']) =>
      stepAuthority(world.ports, world.admin, {
        ...{ id, step: taken, version: undefined, urgent: true, reason: 'rehearsal', dryRun: false },
      })
    const next = new Map<AuthorityKind, string>()
    for (const kind of ['x509', 'jwt-svid'] as const) {
      const { id } = await prepareAuthority(world.ports, { actor: 'local:0', kind })
      await take(id, 'publish')
      if (step === 'rollback') await take(id, 'activate')
      next.set(kind, id)
    }
    const behind = { ...world.ports, authorities: new CurrentAuthorities(world.authorities.current()) }
    for (const id of next.values()) await take(id, step)
    const request = { audience: [behind.profile.publicUrl] }
    const caller = await authenticate(behind, bot.peer)
    expect(await codeOfAsync(() => issueJwtSvid(behind, caller, request))).toBe('ACCEPTED')
    const order = await svidOrder(world)
    expect(await codeOfAsync(() => issueX509Svid(behind, order))).toBe('ACCEPTED')
  })
})

describe('whoever holds a certificate of a tainted authority', () => {
  it('promise 14 renews it, and does nothing else with it', async () => {
    await taint(first.id)
    expect(await codeOfAsync(() => authenticate(world.ports, bot.peer))).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
    const lenient = await authenticateForRenewal(world.ports, bot.peer)
    expect(await codeOfAsync(() => Promise.resolve().then(() => lenient.requireAgent()))).toBe(
      'CLIENT_CERTIFICATE_UNTRUSTED',
    )
    const request = { audience: ['https://a.example.org'] }
    const jwt = () => issueJwtSvid(world.ports, lenient, request)
    expect(await codeOfAsync(jwt)).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
    const renewed = await renewAs(bot)
    const caller = await authenticate(world.ports, peerWith(renewed.svid.certificate))
    expect(caller.requireAgent().instance.id).toBe(bot.answer.instance)
    expect(caller.tainted).toBe(false)
  })

  it('is cut off once everybody has renewed, and can renew no more', async () => {
    const other = await enrollNew(world)
    await taint(first.id)
    await renewAs(bot)
    await followTaints(world.ports)
    expect(cutoffOf(first.id)).toBeUndefined()
    expect(await nextOf(first.id)).toBe('revoke')
    await renewAs(other)
    await followTaints(world.ports)
    expect(cutoffOf(first.id)).toMatchObject({ before: FOR_EVER, reason: 'ca_compromise' })
    expect(await codeOfAsync(() => renewAs(bot))).toBe('CLIENT_CERTIFICATE_REVOKED')
    const told = world.store.events.filter(({ type }) => type === 'credential.revoked')
    expect(told).toHaveLength(1)
    // What the feed and its kin spell out: without it receivers go on with certificates under a root that stays.
    expect(told[0]?.data['cutoffs']).toEqual([{ kind: 'authority', value: first.id, before: FOR_EVER }])
    expect(stateOf(first.id)).toBe('tainted')
    expect(await nextOf(first.id)).toBe('retire')
    world.clock.advance(10 * MINUTE)
    await followTaints(world.ports)
    expect(stateOf(first.id)).toBe('retired')
    expect(await followTaints(world.ports)).toBe(0)
  })

  it('is cut off at the deadline, renewed or not', async () => {
    await taint(first.id, { within: 3 * MINUTE })
    world.clock.advance(3 * MINUTE - 1)
    await followTaints(world.ports)
    expect(cutoffOf(first.id)).toBeUndefined()
    expect(await codeOfAsync(() => renewAs(bot))).toBe('ACCEPTED')
    world.clock.advance(1)
    await followTaints(world.ports)
    expect(cutoffOf(first.id)).toBeDefined()
    expect(stateOf(first.id)).toBe('retired')
    expect(await codeOfAsync(() => renewAs(bot))).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
  })

  it('renews only what is on record: a certificate that somebody made with the stolen key is nobody', async () => {
    const { certificate } = bot.answer.svid
    await taint(first.id)
    const row = world.store.all('Certificate').find(({ der }) => der !== null && Buffer.compare(der, certificate) === 0)
    await world.store.commit({
      lock: 'none',
      guards: [],
      changes: [
        {
          op: 'update',
          table: 'Certificate',
          where: { serial: row?.serial ?? '' },
          set: { der: new Uint8Array([1]) },
          refuse: () => {
            throw new TypeError('no row')
          },
        },
      ],
      leaf: {
        type: 'test.change',
        actor: 'system',
        object: 'test:1',
        decision: 'permit',
        inputDigest: null,
        policy: null,
        commitments: {},
      },
      events: [],
    })
    expect(await codeOfAsync(() => renewAs(bot))).toBe('CLIENT_CERTIFICATE_UNKNOWN')
  })

  it('loses against the cutoff when both come at once: the renewal is refused by its guard', async () => {
    await taint(first.id, { within: 0 })
    const caller = await authenticateForRenewal(world.ports, bot.peer)
    await followTaints(world.ports)
    const csr = await csrOf(newKeyPair())
    expect(await codeOfAsync(() => renew(world.ports, caller, { csr }))).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
  })
})

describe('a compromised authority', () => {
  it('promise 3 is cut off in the commit that taints it, and nobody renews under it', async () => {
    await taint(first.id, { compromised: true, reason: 'the backup was stolen' })
    expect(cutoffOf(first.id)).toMatchObject({ before: FOR_EVER, reason: 'ca_compromise' })
    const leaf = world.store.leaves.at(-1)?.draft
    expect(leaf).toMatchObject({ type: 'authority.taint', commitments: { compromised: 'true' } })
    expect(await codeOfAsync(() => renewAs(bot))).toBe('CLIENT_CERTIFICATE_REVOKED')
    expect(await codeOfAsync(() => enrollNew(world))).toBe('ACCEPTED')
  })

  it('can be one that is tainted already', async () => {
    await taint(first.id)
    const version = world.store.all('Authority').find(({ id }) => id === first.id)?.version ?? 0
    expect(await codeOfAsync(() => taint(first.id, { compromised: true, version: version - 1 }))).toBe(
      'AUTHORITY_CHANGED',
    )
    expect(await taint(first.id, { compromised: true, version })).toEqual([])
    expect(cutoffOf(first.id)).toBeDefined()
    expect(await taint(first.id, { compromised: true })).toEqual([])
  })
})

describe('an authority that is over', () => {
  it('promise 3 is revoked for ever: with its key one could write any time of issue into a certificate', async () => {
    const order = { handle: 'authority', value: first.id, reason: 'ca_compromise' } as const
    await revoke(world.ports, world.admin, order)
    expect(cutoffOf(first.id)?.before).toBeLessThan(FOR_EVER)
    await taint(first.id, { within: 0 })
    await followTaints(world.ports)
    const next = byState(world, 'x509', 'active')
    const { id } = await prepareAuthority(world.ports, { actor: 'local:0', kind: 'x509' })
    for (const step of ['publish', 'activate'] as const) {
      await stepAuthority(world.ports, world.admin, {
        ...{ id, step, version: undefined, urgent: true, reason: 'rehearsal', dryRun: false },
      })
    }
    world.clock.advance(2 * DAY)
    await rotateAuthorities(world.ports)
    expect(stateOf(next.id)).toBe('retired')
    expect(cutoffOf(next.id)).toBeUndefined()
    await revoke(world.ports, world.admin, { ...order, value: next.id })
    expect(cutoffOf(next.id)?.before).toBe(FOR_EVER)
  })
})

describe('a tainted root', () => {
  it('takes everything under it along, and another root and authority sign at once', async () => {
    world = await newWorld({ options: { mode: 'rooted', root: 'generate' } })
    await newAgent(world)
    bot = await enrollNew(world)
    const root = byState(world, 'x509-root', 'active')
    const issuing = byState(world, 'x509', 'active')
    await taint(root.id, { version: root.version })
    expect([stateOf(root.id), stateOf(issuing.id)]).toEqual(['tainted', 'tainted'])
    const set = world.authorities.current()
    expect(set.anchors()).toHaveLength(1)
    const svid = await issueX509Svid(world.ports, await svidOrder(world))
    const sent = [svid.certificate, ...svid.chain]
    verifyX509Svid(sent, () => set.anchors(), { at: world.clock.now(), purpose: 'clientAuth' })
    expect(await codeOfAsync(() => renewAs(bot))).toBe('ACCEPTED')
    world.clock.advance(10 * MINUTE)
    await followTaints(world.ports)
    expect([stateOf(root.id), stateOf(issuing.id)]).toEqual(['retired', 'retired'])
    await rotateAuthorities(world.ports)
    const kinds: readonly AuthorityKind[] = ['x509', 'x509-root']
    for (const kind of kinds) expect(states(world, kind).filter((state) => state === 'active')).toHaveLength(1)
  })
})
