import { beforeEach, describe, expect, it } from 'vitest'
import { askForAuthority, stepAuthority, type StepRequest } from '#flows/admin/authorities.ts'
import { issueServerCertificate } from '#flows/issue-server-certificate.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { loadAuthorities } from '#flows/load-authorities.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import type { Besides } from '#flows/approvals/besides.ts'
import type { AuthorityRecord } from '#authority/index.ts'
import { DAY, MINUTE } from '#kernel/instant.ts'
import { approvalError } from '#policy/errors.ts'
import { buildPath, parseCertificate, verifyX509Svid, type Certificate } from '#x509/index.ts'
import { byState, states } from '../../support/authority-steps.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { newWorld, type World } from '../../support/enrollment.ts'
import { svidOrder } from '../../support/trust-domain.ts'
import { newKeyPair } from '../../support/x509.ts'

let world: World
let old: AuthorityRecord
let issuing: AuthorityRecord
let onlyOld: readonly Certificate[]

beforeEach(async () => {
  world = await newWorld({ options: { mode: 'rooted', root: 'generate' } })
  old = byState(world, 'x509-root', 'active')
  issuing = byState(world, 'x509', 'active')
  onlyOld = world.authorities.current().anchors()
})

const ask = (step: StepRequest['step'], id: string, changes: Partial<StepRequest> = {}) =>
  stepAuthority(world.ports, world.admin, { id, step, version: undefined, urgent: false, dryRun: false, ...changes })
const codeOf = (step: StepRequest['step'], id: string) => codeOfAsync(() => ask(step, id))

let instances = 0
async function issue(): Promise<readonly Uint8Array[]> {
  const order = await svidOrder(world, { instance: { id: `i-${String(instances++)}` } })
  const { certificate, chain } = await issueX509Svid(world.ports, order)
  return [certificate, ...chain]
}

const verify = (sent: readonly Uint8Array[], anchors: readonly Certificate[]) =>
  verifyX509Svid(sent, () => anchors, { at: world.clock.now(), purpose: 'serverAuth' })

/** Another root signs, and what is issued is under it. */
async function rotateRoot(): Promise<AuthorityRecord> {
  const { authority } = await askForAuthority(world.ports, world.admin, 'x509-root')
  await ask('publish', authority.id)
  world.clock.advance(10 * MINUTE)
  await ask('activate', authority.id)
  await rotateAuthorities(world.ports)
  world.clock.advance(10 * MINUTE)
  await rotateAuthorities(world.ports)
  return byState(world, 'x509-root', 'active')
}

describe('the rotation of a root', () => {
  it('promise 8 keeps a client alive that knows only the old root, or only the new one', async () => {
    const before = await issue()
    const next = await rotateRoot()
    expect(byState(world, 'x509', 'active').issuer).toBe(next.id)
    const after = await issue()
    // Leaf, issuing authority, the new root as the old one signed it.
    expect(after).toHaveLength(3)
    const both = world.authorities.current().anchors()
    expect(both).toHaveLength(2)
    const onlyNew = both.filter(({ der }) => Buffer.compare(der, next.certificate ?? new Uint8Array()) === 0)
    for (const anchors of [onlyOld, onlyNew, both]) verify(after, anchors)
    for (const anchors of [onlyOld, both]) verify(before, anchors)
  })

  it('sends the chain with the server certificate too, and after a restart', async () => {
    await rotateRoot()
    world.authorities.replace(await loadAuthorities(world.ports))
    const request = { publicKey: newKeyPair().publicKey, dnsNames: ['localhost'], ipAddresses: [] }
    const { certificate, chain } = await issueServerCertificate(world.ports, request)
    verify([certificate, ...chain], onlyOld)
    verify([certificate, ...chain], world.authorities.current().anchors())
  })

  it('certifies the new root once, under its own name, until the old one ends, with a row and a leaf', async () => {
    const { authority } = await askForAuthority(world.ports, world.admin, 'x509-root')
    await ask('publish', authority.id)
    world.clock.advance(10 * MINUTE)
    await ask('activate', authority.id)
    const rows = world.store
      .all('Certificate')
      .filter(({ kind, authority: by }) => kind === 'authority' && by === old.id)
    const crosses = rows.flatMap(({ der }) => (der === null ? [] : [parseCertificate(der)]))
    const own = parseCertificate(authority.certificate ?? new Uint8Array())
    const named = crosses.filter(({ subject }) => Buffer.compare(subject, own.subject) === 0)
    expect(named).toHaveLength(1)
    expect(named[0]?.publicKey.spki).toEqual(own.publicKey.spki)
    expect(named[0]?.notAfter).toBeLessThanOrEqual(old.notAfter)
    expect(named[0]?.extension('basicConstraints')).toMatchObject({ ca: true, pathLength: 1 })
    expect(world.store.leaves.filter(({ draft }) => draft.commitments['cross'] === authority.id)).toHaveLength(1)
  })

  it('goes back while the old root retires: what the new one signed stays trusted', async () => {
    const next = await rotateRoot()
    const under = await issue()
    await ask('rollback', next.id)
    expect(byState(world, 'x509-root', 'active').id).toBe(old.id)
    verify(under, world.authorities.current().anchors())
    verify(under, onlyOld)
    // What is issued comes back below the old root by itself.
    await rotateAuthorities(world.ports)
    world.clock.advance(10 * MINUTE)
    await rotateAuthorities(world.ports)
    expect(byState(world, 'x509', 'active').issuer).toBe(old.id)
    verify(await issue(), onlyOld)
  })

  it('does not retire the old root while anything under it is trusted, and then sends it no more', async () => {
    await rotateRoot()
    world.clock.advance(2 * DAY)
    expect(await codeOf('retire', old.id)).toBe('AUTHORITY_STILL_NEEDED')
    await ask('retire', issuing.id)
    expect(await codeOf('retire', old.id)).toBe('ACCEPTED')
    expect(states(world, 'x509-root').toSorted()).toEqual(['active', 'retired'])
    const sent = await issue()
    expect(sent).toHaveLength(2)
    verify(sent, world.authorities.current().anchors())
  })

  it('goes back to nobody whose root is trusted no more: what that signs all would refuse', async () => {
    await rotateRoot()
    const next = byState(world, 'x509', 'active')
    await ask('retire', old.id, { urgent: true, reason: 'gone early' })
    expect(states(world, 'x509-root')).toEqual(['retired', 'active'])
    expect(await codeOf('rollback', next.id)).toBe('AUTHORITY_NO_PREDECESSOR')
    verify(await issue(), world.authorities.current().anchors())
  })

  it('does not retire the root of the one that signs, whatever the reason: a taint is for that', async () => {
    const { authority } = await askForAuthority(world.ports, world.admin, 'x509-root')
    await ask('publish', authority.id)
    world.clock.advance(10 * MINUTE)
    await ask('activate', authority.id)
    const urgent = { urgent: true, reason: 'the old root is lost' }
    expect(await codeOfAsync(() => ask('retire', old.id, urgent))).toBe('AUTHORITY_STILL_NEEDED')
    await ask('taint', old.id, urgent)
    expect(byState(world, 'x509', 'active').issuer).toBe(authority.id)
    verify(await issue(), world.authorities.current().anchors())
  })

  it('brings in nobody whose root is trusted no more', async () => {
    const { authority: other } = await askForAuthority(world.ports, world.admin, 'x509')
    await ask('publish', other.id)
    await rotateRoot()
    await ask('retire', old.id, { urgent: true, reason: 'gone early' })
    expect(await codeOf('activate', other.id)).toBe('AUTHORITY_CANARY_FAILED')
    verify(await issue(), world.authorities.current().anchors())
  })

  it('goes on where the key of the old root is gone only by an override', async () => {
    const { authority } = await askForAuthority(world.ports, world.admin, 'x509-root')
    world.keys.remove(old.keyReference)
    expect(await codeOf('publish', authority.id)).toBe('AUTHORITY_ROOT_UNAVAILABLE')
    await ask('publish', authority.id, { urgent: true, reason: 'the old root is lost' })
    expect(states(world, 'x509-root').toSorted()).toEqual(['active', 'published'])
  })

  it('is tainted with all that is under it, and nothing of that is when the approval was used or the version is old', async () => {
    await rotateRoot()
    const now = byState(world, 'x509-root', 'retiring')
    const before = world.store.all('Authority')
    const refuse = () => approvalError('APPROVAL_USED')
    const used = { table: 'Approval', must: 'exist', where: { id: 'apr_used' }, refuse } as const
    const order = { id: old.id, step: 'taint', urgent: false, dryRun: false } as const
    const also = { guards: [used], changes: [], commitments: {} }
    const taint = (version?: number, besides?: Besides) =>
      codeOfAsync(() => stepAuthority(world.ports, world.admin, { ...order, version }, besides))
    expect(await taint(now.version, also)).toBe('APPROVAL_USED')
    expect(await taint(now.version - 1)).toBe('AUTHORITY_CHANGED')
    expect(world.store.all('Authority')).toEqual(before)
    const commitments = { approval: 'apr_good' }
    expect(await taint(now.version, { guards: [], changes: [], commitments })).toBe('ACCEPTED')
    const rows = world.store.all('Authority')
    expect(rows.filter(({ id }) => id === old.id || id === issuing.id).map(({ state }) => state)).toEqual([
      'tainted',
      'tainted',
    ])
    const leaves = world.store.leaves.filter(({ draft }) => draft.commitments['approval'] === 'apr_good')
    expect(leaves).toHaveLength(1)
  })

  it('costs the path builder little, also with roots that have signed each other in a circle', async () => {
    // Three rotations and a way back leave crosses in many directions.
    for (let round = 0; round < 3; round++) await rotateRoot()
    const set = world.authorities.current()
    const [leaf, ...sent] = (await issue()).map((der) => parseCertificate(der))
    if (leaf === undefined) throw new TypeError('no leaf')
    const crosses = world.store.all('Certificate').flatMap(({ kind, der }) => {
      return kind === 'authority' && der !== null ? [parseCertificate(der)] : []
    })
    const options = { at: world.clock.now(), purpose: 'serverAuth' } as const
    expect(() => buildPath(leaf, crosses.slice(0, 16), set.anchors(), options)).not.toThrow()
    expect(buildPath(leaf, sent, set.anchors(), options).certificates.length).toBeLessThanOrEqual(4)
    // Nobody whom we know is among the anchors: every way is tried, within the bound, and none is found.
    const began = process.hrtime.bigint()
    expect(() => buildPath(leaf, crosses.slice(0, 16), [], options)).toThrow()
    expect(Number(process.hrtime.bigint() - began) / 1e6).toBeLessThan(2000)
  })
})
