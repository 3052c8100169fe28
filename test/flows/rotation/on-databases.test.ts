import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CurrentAuthorities, type AuthorityKind, type AuthorityRecord } from '#authority/index.ts'
import { addAgent } from '#flows/admin/agents.ts'
import { stepAuthority, type StepRequest } from '#flows/admin/authorities.ts'
import { bootstrapFirstAdmin } from '#flows/admin/bootstrap.ts'
import { addJoinToken } from '#flows/admin/join-tokens.ts'
import { authenticate, authenticateForRenewal } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import type { InitializeAuthoritiesOptions } from '#flows/initialize-authorities.ts'
import { issueJwtSvid } from '#flows/issue-jwt-svid.ts'
import { listAuthorities, refreshAuthorities } from '#flows/load-authorities.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { renew } from '#flows/renew.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { followTaints } from '#flows/rotation/follow-taints.ts'
import type { SvidAnswer } from '#flows/svid-answer.ts'
import { MINUTE, SECOND } from '#kernel/instant.ts'
import { FOR_EVER } from '#revocation/index.ts'
import { verifyX509Svid, type Certificate } from '#x509/index.ts'
import { dropIdle, KINDS, type Database } from '../../contract/store/subjects.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { csrOf, joinWith, peerWith } from '../../support/enrollment.ts'
import { closeReplicas, openReplicas, type ReplicaPorts } from '../../support/replicas.ts'
import { newKeyPair } from '../../support/x509.ts'

afterAll(dropIdle)

describe.each(KINDS.filter(({ replicas }) => replicas))('on $name, with two replicas', (kind) => {
  let database: Database
  let replicas: readonly [ReplicaPorts, ReplicaPorts]

  async function open(options?: InitializeAuthoritiesOptions): Promise<void> {
    database = await kind.make()
    const [one, two] = await openReplicas(database, options)
    // Each goes by what it has heard.
    replicas = [one, { ...two, authorities: new CurrentAuthorities(one.authorities.current()) }]
    await bootstrapFirstAdmin(one, { uid: 1000, name: 'operator' })
    await addAgent(one, await admin(), { name: 'invoice-bot', owner: 'billing team' })
  }
  afterEach(async () => {
    await closeReplicas(replicas)
    await database.dispose()
  })

  const admin = () => authenticate(replicas[0], { kind: 'unix', uid: 1000 })

  async function enrollAt(ports: ReplicaPorts): Promise<SvidAnswer> {
    const { token } = await addJoinToken(replicas[0], await admin(), { agent: 'invoice-bot' })
    const anyone = await authenticate(ports, { kind: 'tls', chain: [], address: '192.0.2.1' })
    return enroll(ports, anyone, joinWith(token.reveal(), await csrOf(newKeyPair())))
  }

  async function renewAt(ports: ReplicaPorts, { svid }: SvidAnswer): Promise<SvidAnswer> {
    const caller = await authenticateForRenewal(ports, peerWith(svid.certificate, ...svid.chain))
    return renew(ports, caller, { csr: await csrOf(newKeyPair()) })
  }

  const take = async (ports: ReplicaPorts, step: StepRequest['step'], id: string, more: Partial<StepRequest> = {}) =>
    stepAuthority(ports, await admin(), { id, step, version: undefined, urgent: false, dryRun: false, ...more })

  const of = async (wanted: AuthorityKind, ...states: readonly AuthorityRecord['state'][]) =>
    (await listAuthorities(replicas[0].reader)).filter(({ kind, state }) => kind === wanted && states.includes(state))

  async function active(wanted: AuthorityKind): Promise<AuthorityRecord> {
    const [found, ...more] = await of(wanted, 'active')
    if (found === undefined || more.length > 0) throw new TypeError(`not one ${wanted} that signs`)
    return found
  }

  /** Of leaves that were permitted. */
  async function leaves(type: string, object: string): Promise<number> {
    const rows = await replicas[0].reader.list('LogLeaf', { where: { type }, limit: 1000 })
    const texts = rows.map(({ bytes }) => Buffer.from(bytes).toString())
    return texts.filter((text) => text.includes(object) && text.includes('"permit"')).length
  }

  describe('self-rooted', () => {
    beforeEach(() => open())

    it('promise 8 one authority is kept in reserve, however many replicas see to it at once', async () => {
      await Promise.all(replicas.map((ports) => rotateAuthorities(ports, { standby: true })))
      for (let round = 0; round < 3; round++) {
        await Promise.all(replicas.map((ports) => rotateAuthorities(ports, { standby: true })))
      }
      const first = await active('x509')
      expect((await of('x509', 'published')).length).toBeGreaterThan(0)
      database.clock.advance(10 * MINUTE)
      const [reserve] = await of('x509', 'published')
      await take(replicas[0], 'taint', first.id)
      expect((await of('x509', 'published', 'active')).map(({ id }) => id)).toContain(reserve?.id)
      expect((await active('x509')).activatedAt).toBe(database.clock.now())
      await Promise.all(replicas.map((ports) => rotateAuthorities(ports, { standby: true })))
      const end = (await active('x509')).notAfter
      const kept = await of('x509', 'published')
      expect(kept.some(({ notAfter, activatedAt }) => activatedAt === null && notAfter >= end)).toBe(true)
    })

    it('promise 3 a replica that has not heard of a taint issues nothing under it: its guard refuses', async () => {
      const bot = await enrollAt(replicas[0])
      const before = await replicas[1].reader.list('Certificate', { where: { state: 'issued' }, limit: 1000 })
      await take(replicas[0], 'taint', (await active('x509')).id)
      expect(await codeOfAsync(() => enrollAt(replicas[1]))).toBe('ISSUANCE_AUTHORITY_CHANGED')
      expect(await codeOfAsync(() => renewAt(replicas[1], bot))).toBe('ISSUANCE_AUTHORITY_CHANGED')
      const since = await replicas[1].reader.list('Certificate', { where: { state: 'issued' }, limit: 1000 })
      const known = new Set(before.map(({ serial }) => serial))
      // The successor and its canary.
      expect(since.filter(({ serial, kind: made }) => !known.has(serial) && made === 'svid')).toEqual([])
      await refreshAuthorities(replicas[1])
      expect(await codeOfAsync(() => enrollAt(replicas[1]))).toBe('ACCEPTED')
      expect(await codeOfAsync(() => renewAt(replicas[1], bot))).toBe('ACCEPTED')
    })

    it('promise 3 a replica that has not heard of a taint signs no token with the key: its guard refuses', async () => {
      const bot = await enrollAt(replicas[0])
      const caller = await authenticate(replicas[1], peerWith(bot.svid.certificate, ...bot.svid.chain))
      const askAt = (ports: ReplicaPorts) => issueJwtSvid(ports, caller, { audience: ['https://id.example.org'] })
      await take(replicas[0], 'taint', (await active('jwt-svid')).id)
      expect(await codeOfAsync(() => askAt(replicas[1]))).toBe('ISSUANCE_AUTHORITY_CHANGED')
      await refreshAuthorities(replicas[1])
      expect(await codeOfAsync(() => askAt(replicas[1]))).toBe('ACCEPTED')
    })

    it('promise 8 of two replicas that taint at once one does, and there is one successor that signs', async () => {
      const old = await active('x509')
      const outcomes = await Promise.all(
        replicas.map((ports) => codeOfAsync(() => take(ports, 'taint', old.id, { version: old.version }))),
      )
      expect(outcomes.toSorted()).toEqual(['ACCEPTED', 'AUTHORITY_CHANGED'])
      expect(await leaves('authority.taint', old.id)).toBe(1)
      expect((await active('x509')).id).not.toBe(old.id)
    })

    it('promise 8 two replicas never both go on with a taint: one cutoff, one retirement, and no failure', async () => {
      const old = await active('x509')
      const bots = [await enrollAt(replicas[0]), await enrollAt(replicas[1])]
      await take(replicas[0], 'taint', old.id)
      await refreshAuthorities(replicas[1])
      const follow = () => Promise.all(replicas.map((ports) => followTaints(ports)))
      for (const bot of bots) {
        expect(await follow()).toEqual([0, 0])
        await renewAt(replicas[1], bot)
        database.clock.advance(SECOND)
      }
      await follow()
      expect(await replicas[0].reader.list('Cutoff', { where: { before: { gte: FOR_EVER } }, limit: 10 })).toHaveLength(
        1,
      )
      expect(await leaves('credential.revoked', old.id)).toBe(1)
      database.clock.advance(10 * MINUTE)
      await follow()
      await follow()
      expect((await of('x509', 'retired')).map(({ id }) => id)).toEqual([old.id])
      expect(await leaves('authority.retire', old.id)).toBe(1)
    })
  })

  describe('rooted', () => {
    beforeEach(() => open({ mode: 'rooted', root: 'generate' }))

    const verify = ({ svid }: SvidAnswer, anchors: readonly Certificate[]) =>
      verifyX509Svid([svid.certificate, ...svid.chain], () => anchors, {
        at: database.clock.now(),
        purpose: 'clientAuth',
      })

    it('promise 8 a root rotates with both at work, and whoever knows one of the roots verifies what either issues', async () => {
      const old = await active('x509-root')
      const onlyOld = replicas[0].authorities.current().anchors()
      const next = await prepareAuthority(replicas[0], { actor: 'local:1000', kind: 'x509-root' })
      await Promise.all(replicas.map((ports) => codeOfAsync(() => take(ports, 'publish', next.id))))
      database.clock.advance(10 * MINUTE)
      await Promise.all(replicas.map((ports) => codeOfAsync(() => take(ports, 'activate', next.id))))
      expect((await active('x509-root')).id).toBe(next.id)
      for (let round = 0; round < 3; round++) {
        await Promise.all(replicas.map((ports) => rotateAuthorities(ports)))
        database.clock.advance(10 * MINUTE)
      }
      const issuing = await active('x509')
      expect(issuing.issuer).toBe(next.id)
      const onlyNew = replicas[1].authorities
        .current()
        .anchors()
        .filter(({ der }) => !onlyOld.some((anchor) => Buffer.compare(anchor.der, der) === 0))
      for (const ports of replicas) {
        await refreshAuthorities(ports)
        const bot = await enrollAt(ports)
        for (const anchors of [onlyOld, onlyNew]) expect(() => verify(bot, anchors)).not.toThrow()
      }
      expect((await of('x509-root', 'retiring')).map(({ id }) => id)).toEqual([old.id])
      expect(await leaves('authority.activate', next.id)).toBe(1)
    })
  })
})
