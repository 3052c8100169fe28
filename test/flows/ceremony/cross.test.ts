import { beforeEach, describe, expect, it } from 'vitest'
import { rootCrlUrl } from '#flows/ceremony/locations.ts'
import { stepsOf, type CeremonyPlan } from '#flows/ceremony/plan.ts'
import { runCeremony, type CeremonyResult } from '#flows/ceremony/run-ceremony.ts'
import { verifyTranscript } from '#flows/ceremony/verify-transcript.ts'
import { importAuthority } from '#flows/import-authority.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { listAuthorities, loadAuthorities } from '#flows/load-authorities.ts'
import { authorityRequest, requestAuthority } from '#flows/request-authority.ts'
import { takeStep, type AuthorityStep } from '#flows/transition-authority.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { DAY, instant } from '#kernel/instant.ts'
import { parseCsr, verifyX509Svid, type Certificate } from '#x509/index.ts'
import { FakeRandom } from '../../fakes/random.ts'
import { CeremonyRoom, newPlan } from '../../support/ceremony.ts'
import { codeOf, codeOfAsync } from '../../support/code-of.ts'
import { OfflineHouse, STATUS_URL } from '../../support/offline-root.ts'
import { svidOrder } from '../../support/trust-domain.ts'

const actor = 'local:0'
const NEW_ROOT = { kind: 'new', key: 'root-2', algorithm: 'ES384', lifetime: 3650 * DAY, commonName: 'next' } as const

let house: OfflineHouse
beforeEach(async () => {
  house = await OfflineHouse.open()
})

const bring = (certificate: Bytes) => importAuthority(house.domain.ports, { actor, certificate })
const old = () => ({ key: 'root-1', certificate: house.root })

let rooms = 0

/** The next root, which the old one vouches for: its key is in the room, in a home of its own. */
function nextRoom(): CeremonyRoom {
  const room = new CeremonyRoom()
  Object.assign(room, { crossKeys: house.room.keys, random: new FakeRandom(`room ${String(rooms++)}`) })
  room.clock.set(house.domain.clock.now())
  return room
}

async function next(changes: Partial<CeremonyPlan> = {}, room = nextRoom()): Promise<CeremonyResult> {
  return runCeremony(room.ports, await newPlan({ name: 'next', root: NEW_ROOT, cross: old(), issuing: [], ...changes }))
}

function crossOf({ cross }: CeremonyResult): Certificate {
  if (cross === null) throw new TypeError('no cross certificate')
  return cross
}

describe('a ceremony of the next root, with the key of the old one at hand,', () => {
  it('promise 8 certifies name and key of the next root by the old one, and writes that down', async () => {
    const room = nextRoom()
    const made = await next({}, room)
    const cross = crossOf(made)
    expect(cross.subject).toEqual(made.root.subject)
    expect(cross.publicKey.spki).toEqual(made.root.publicKey.spki)
    expect(cross.issuer).toEqual(house.root.subject)
    expect(cross.notAfter).toBe(Math.min(house.root.notAfter, made.root.notAfter))
    expect(cross.extension('basicConstraints')?.pathLength).toBe(1)
    expect(cross.extension('crlDistributionPoints')?.uris).toEqual([rootCrlUrl(STATUS_URL, house.root)])
    expect(room.files.get('cross.pem')).toContain('BEGIN CERTIFICATE')
    const summary = verifyTranscript(room.transcript, made.root)
    expect(summary.cross?.der).toEqual(cross.der)
    expect(summary.files.has('cross.pem')).toBe(true)
    const altered = room.transcript.replace('"role":"cross"', '"role":"crass"')
    expect(codeOf(() => verifyTranscript(altered))).toBe('TRANSCRIPT_ALTERED')
  })

  it('says so before it does it', async () => {
    const plan = await newPlan({ root: NEW_ROOT, cross: old() })
    expect(stepsOf(plan).filter((step) => step.includes('certify it'))).toHaveLength(1)
    expect(stepsOf(await newPlan()).filter((step) => step.includes('certify it'))).toEqual([])
  })

  it('is refused when the key is not that of the old root, or is not there, and nothing is done', async () => {
    const stranger = new CeremonyRoom()
    await runCeremony(stranger.ports, await newPlan({ issuing: [], crls: null }))
    const room = nextRoom()
    Object.assign(room, { crossKeys: stranger.keys })
    expect(await codeOfAsync(() => next({}, room))).toBe('CEREMONY_ROOT_INVALID')
    expect(await codeOfAsync(() => next({ cross: { ...old(), key: 'none' } }))).toBe('KEY_NOT_FOUND')
    expect([room.lines, room.files.size]).toEqual([[], 0])
  })

  it('is refused when the old root has ended, or is the next one', async () => {
    const room = nextRoom()
    room.clock.set(instant(house.root.notAfter))
    expect(await codeOfAsync(() => next({ crls: null }, room))).toBe('CEREMONY_ROOT_INVALID')
    const itself = { kind: 'existing', ...old() } as const
    const again = nextRoom()
    Object.assign(again, { keys: house.room.keys })
    expect(await codeOfAsync(() => next({ root: itself, crls: null }, again))).toBe('CEREMONY_ROOT_INVALID')
  })
})

describe('a server that is given what the old root says of the next one', () => {
  const take = (id: string, step: AuthorityStep) =>
    takeStep(house.domain.ports, { actor, id, step, urgent: true, reason: 'a rehearsal' })
  const idOf = async (certificate: Certificate) =>
    (await listAuthorities(house.domain.ports.reader)).find(
      (one) => one.certificate !== null && Buffer.compare(one.certificate, certificate.der) === 0,
    )?.id ?? ''

  it('promise 8 keeps a client alive that knows only the old root, or only the new one', async () => {
    const { ports } = house.domain
    const awaiting = await requestAuthority(ports, actor)
    const request = parseCsr(await authorityRequest(ports, awaiting.id))
    const made = await next({ issuing: [{ name: 'next', request, lifetime: 90 * DAY }] })
    await bring(made.root.der)
    await bring(crossOf(made).der)
    const root = await idOf(made.root)
    await take(root, 'publish')
    for (const { der } of made.issuing) await bring(der)
    await take(root, 'activate')
    await take(awaiting.id, 'publish')
    await take(awaiting.id, 'activate')
    const svid = await issueX509Svid(ports, await svidOrder(house.domain))
    expect(svid.chain).toHaveLength(2)
    const verify = (anchors: readonly Certificate[], sent = [svid.certificate, ...svid.chain]) =>
      codeOf(() => verifyX509Svid(sent, () => anchors, { at: house.domain.clock.now(), purpose: 'clientAuth' }))
    for (const anchors of [[house.root], [made.root], [house.root, made.root]]) expect(verify(anchors)).toBe('ACCEPTED')
    // It is the cross certificate that does it.
    expect(verify([house.root], [svid.certificate, ...svid.chain.slice(0, 1)])).not.toBe('ACCEPTED')
    // So it is after a restart.
    expect((await loadAuthorities(ports)).chainFor(awaiting.id)).toHaveLength(2)
  })

  it('sends it from then on also when both were trusted before it came, and takes it once', async () => {
    const { ports, store } = house.domain
    const made = await next()
    await bring(made.root.der)
    await take(await idOf(made.root), 'publish')
    const before = ports.authorities.current().sequence
    await bring(crossOf(made).der)
    expect(ports.authorities.current().sequence).toBeGreaterThan(before)
    const after = ports.authorities.current().sequence
    expect((await bring(crossOf(made).der)).id).toBe(await idOf(made.root))
    expect(ports.authorities.current().sequence).toBe(after)
    const leaves = store.leaves.filter(({ draft }) => draft.commitments['cross'] !== undefined)
    expect(leaves.map(({ draft }) => [draft.type, draft.decision])).toEqual([['authority.imported', 'permit']])
  })

  it('refuses one by a root that is not ours, for one that is not ours, and of another shape', async () => {
    const made = await next()
    expect(await codeOfAsync(() => bring(crossOf(made).der))).toBe('AUTHORITY_NOT_AWAITED')
    await bring(made.root.der)
    const stranger = new CeremonyRoom()
    const strange = { ...NEW_ROOT, key: 'root-1', commonName: 'strange' }
    const { root } = await runCeremony(stranger.ports, await newPlan({ root: strange, issuing: [], crls: null }))
    const room = nextRoom()
    Object.assign(room, { crossKeys: stranger.keys, keys: house.room.keys })
    const ours = { kind: 'existing', ...old() } as const
    const foreign = await next({ root: ours, cross: { key: 'root-1', certificate: root }, crls: null }, room)
    await expect(bring(crossOf(foreign).der)).rejects.toMatchObject({ details: { reason: 'no root of ours' } })
    expect(await codeOfAsync(() => bring(crossOf(made).der))).toBe('ACCEPTED')
  })

  it('refuses one for a root that is over', async () => {
    const made = await next()
    await bring(made.root.der)
    await take(await idOf(made.root), 'publish')
    await take(await idOf(made.root), 'taint')
    await expect(bring(crossOf(made).der)).rejects.toMatchObject({ details: { reason: 'state' } })
  })
})
