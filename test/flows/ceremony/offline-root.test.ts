import { describe, expect, it } from 'vitest'
import { isAwaiting } from '#authority/index.ts'
import { importAuthority } from '#flows/import-authority.ts'
import { initializeAuthorities } from '#flows/initialize-authorities.ts'
import { listAuthorities } from '#flows/load-authorities.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { authorityRequest, requestAuthority } from '#flows/request-authority.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { runCeremony } from '#flows/ceremony/run-ceremony.ts'
import type { CeremonyPlan } from '#flows/ceremony/plan.ts'
import type { AuthorityPorts } from '#flows/issuance-ports.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { DAY, instant, type Instant } from '#kernel/instant.ts'
import { parseCsr, verifyX509Svid, type Certificate } from '#x509/index.ts'
import { CeremonyRoom, newPlan } from '../../support/ceremony.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { emptyTrustDomain, svidOrder, TRUST_DOMAIN } from '../../support/trust-domain.ts'
import {
  altName,
  basicConstraints,
  keyUsage,
  newKeyPair,
  TestAuthority,
  uri,
  withExtensions,
  type Changes,
} from '../../support/x509.ts'

const OFFLINE = { mode: 'rooted', root: { certificate: null, keyReference: null } } as const
const actor = 'local:0'
const OURS = { ...altName(uri('spiffe://example.org')), critical: false }

/** A server before its first ceremony, and the room of that ceremony at the same moment. */
async function beforeCeremony() {
  const house = await emptyTrustDomain()
  const authorities = await initializeAuthorities(house.ports, { actor, options: OFFLINE })
  const ports: AuthorityPorts = { ...house.ports, authorities }
  const room = new CeremonyRoom()
  room.clock.set(house.ports.clock.now())
  return { house, ports, room }
}

async function requests(ports: AuthorityPorts): Promise<CeremonyPlan['issuing']> {
  const awaiting = (await listAuthorities(ports.reader)).filter(isAwaiting)
  return Promise.all(
    awaiting.map(async ({ id }, index) => ({
      name: `issuing-${String(index)}`,
      request: parseCsr(await authorityRequest(ports, id)),
      lifetime: (index + 1) * 90 * DAY,
    })),
  )
}

const x509 = async (ports: AuthorityPorts) =>
  (await listAuthorities(ports.reader)).filter(({ kind }) => kind === 'x509').map(({ state }) => state)

describe('a server under an offline root', () => {
  it('asks for two issuing authorities, signs none itself, and waits as long as it takes', async () => {
    const { house, ports } = await beforeCeremony()
    expect(await x509(ports)).toEqual(['prepared', 'prepared'])
    house.clock.advance(20 * DAY)
    await rotateAuthorities(ports)
    expect(await x509(ports)).toEqual(['prepared', 'prepared'])
    expect(await codeOfAsync(async () => Promise.resolve(ports.authorities.current().active('x509')))).toBe(
      'AUTHORITY_NOT_ACTIVE',
    )
    expect(ports.authorities.current().mode).toBe('rooted')
    expect(ports.authorities.current().anchors()).toEqual([])
  })

  it('imports what the ceremony signed, and issues under it', async () => {
    const { house, ports, room } = await beforeCeremony()
    const { root, issuing } = await runCeremony(room.ports, await newPlan({ issuing: await requests(ports) }))
    for (const certificate of [root, ...issuing]) {
      await importAuthority(ports, { actor, certificate: certificate.der })
    }
    await rotateAuthorities(ports)
    // The one that ends first signs first; the other is left to follow it.
    expect(await x509(ports)).toEqual(['active', 'prepared'])
    const { authorities } = ports
    const domain = { ...house, ports: { ...house.ports, authorities }, authorities }
    const { certificate, chain } = await issueX509Svid(ports, await svidOrder(domain))
    const set = ports.authorities.current()
    const anchorsOf = () => set.anchors()
    const at = ports.clock.now()
    const verified = verifyX509Svid([certificate, ...chain], anchorsOf, { at, purpose: 'clientAuth' })
    expect(verified.spiffeId.trustDomain.equals(TRUST_DOMAIN)).toBe(true)
    expect(set.anchors().map(({ der }) => der)).toEqual([root.der])
    // Importing the same again changes nothing.
    const before = set.sequence
    await importAuthority(ports, { actor, certificate: root.der })
    expect(ports.authorities.current().sequence).toBe(before)
    const certificates = await ports.reader.list('Certificate', { limit: 10, where: { kind: 'authority' } })
    expect(certificates.length).toBe(2)
  })

  it('lets its standby follow by itself when it is due', async () => {
    const { house, ports, room } = await beforeCeremony()
    const { root, issuing } = await runCeremony(room.ports, await newPlan({ issuing: await requests(ports) }))
    for (const { der } of [root, ...issuing]) await importAuthority(ports, { actor, certificate: der })
    await rotateAuthorities(ports)
    house.clock.advance(61 * DAY)
    await rotateAuthorities(ports)
    expect(await x509(ports)).toEqual(['active', 'published'])
    house.clock.advance(25 * DAY)
    await rotateAuthorities(ports)
    expect(await x509(ports)).toEqual(['retiring', 'active'])
    // Nobody is asked for the next one but people.
    house.clock.advance(90 * DAY)
    await rotateAuthorities(ports)
    expect(await x509(ports)).toEqual(['retired', 'active'])
  })

  it('never opens the key of its root, and says so to whoever asks for more', async () => {
    const { ports, room } = await beforeCeremony()
    const { root } = await runCeremony(room.ports, await newPlan({ issuing: [], crls: null }))
    await importAuthority(ports, { actor, certificate: root.der })
    expect(await codeOfAsync(() => prepareAuthority(ports, { actor, kind: 'x509' }))).toBe('AUTHORITY_ROOT_UNAVAILABLE')
  })

  it('starts with a root of an earlier ceremony as well', async () => {
    const room = new CeremonyRoom()
    const house = await emptyTrustDomain()
    room.clock.set(house.ports.clock.now())
    const { root } = await runCeremony(room.ports, await newPlan({ issuing: [], crls: null }))
    const options = { mode: 'rooted', root: { certificate: root.der, keyReference: null } } as const
    const authorities = await initializeAuthorities(house.ports, { actor, options })
    expect(authorities.current().anchors().length).toBe(1)
    expect(await x509({ ...house.ports, authorities })).toEqual(['prepared', 'prepared'])
  })
})

describe('a certificate that is not imported', () => {
  type Scene = Awaited<ReturnType<typeof beforeCeremony>> & { readonly root: Certificate }

  async function scene(): Promise<Scene> {
    const before = await beforeCeremony()
    const plan = await newPlan({ issuing: [], crls: null })
    const { root } = await runCeremony(before.room.ports, plan)
    await importAuthority(before.ports, { actor, certificate: root.der })
    return { ...before, root }
  }

  /** A root of ours whose key the test has, and certificates for a request of ours. */
  async function withRoot() {
    const before = await beforeCeremony()
    const { house, ports } = before
    const now = house.clock.now()
    const span = { notBefore: now, notAfter: instant(now + 3650 * DAY) }
    const root = TestAuthority.root('Ours', { template: span, extensions: [OURS] })
    await importAuthority(ports, { actor, certificate: root.certificate.der })
    const awaiting = (await listAuthorities(ports.reader)).find(isAwaiting)
    const key = house.keys.pair(awaiting?.keyReference ?? '')
    const good = { notBefore: now, notAfter: instant(now + 60 * DAY) }
    const signed = (changes: Changes) => {
      const template = { ...good, ...changes.template }
      const extensions = withExtensions([OURS, basicConstraints(true, 0)], changes.extensions ?? [])
      return root.authority('Issuing', { ...changes, template, extensions }, key).certificate.der
    }
    return { ports, now, signed }
  }

  it.each<[string, (now: Instant) => Changes, string, string]>([
    [
      'may sign authorities below it',
      () => ({ extensions: [basicConstraints(true, 1)] }),
      'AUTHORITY_CERTIFICATE_INVALID',
      'path length',
    ],
    [
      'is no authority',
      () => ({ extensions: [basicConstraints(false)] }),
      'AUTHORITY_CERTIFICATE_INVALID',
      'PATH_ISSUER_NOT_AUTHORITY',
    ],
    [
      'may not sign CRLs',
      () => ({ extensions: [keyUsage('keyCertSign')] }),
      'AUTHORITY_CERTIFICATE_INVALID',
      'key usage',
    ],
    [
      'may sign anything',
      () => ({ extensions: [keyUsage('digitalSignature', 'keyCertSign', 'cRLSign')] }),
      'AUTHORITY_CERTIFICATE_INVALID',
      'PATH_KEY_USAGE',
    ],
    [
      'is of another trust domain',
      () => ({ extensions: [{ ...altName(uri('spiffe://other.example')), critical: false }] }),
      'AUTHORITY_CERTIFICATE_INVALID',
      'trust domain',
    ],
    [
      'lives for longer than 400 days',
      (now) => ({ template: { notAfter: instant(now + 401 * DAY) } }),
      'AUTHORITY_CERTIFICATE_INVALID',
      'lifetime',
    ],
    [
      'outlives its root',
      (now) => ({ template: { notBefore: instant(now + 3600 * DAY), notAfter: instant(now + 3700 * DAY) } }),
      'AUTHORITY_CERTIFICATE_INVALID',
      'lifetime',
    ],
    [
      'carries what nobody knows',
      () => ({ extensions: [{ kind: 'other', critical: false, oid: '1.2.3.4', value: new Uint8Array([5, 0]) }] }),
      'AUTHORITY_CERTIFICATE_INVALID',
      'extension',
    ],
    ['is not valid yet', (now) => ({ template: { notBefore: instant(now + DAY) } }), 'AUTHORITY_EXPIRED', ''],
    [
      'is over',
      (now) => ({ template: { notBefore: instant(now - 9 * DAY), notAfter: instant(now - DAY) } }),
      'AUTHORITY_EXPIRED',
      '',
    ],
  ])('is one that %s', async (_, changes, code, reason) => {
    const { ports, now, signed } = await withRoot()
    const certificate = signed(changes(now))
    const refusal = reason === '' ? { code } : { code, details: { reason } }
    await expect(importAuthority(ports, { actor, certificate })).rejects.toMatchObject(refusal)
    expect(await x509(ports)).toEqual(['prepared', 'prepared'])
    // The same without the fault is.
    await importAuthority(ports, { actor, certificate: signed({}) })
  })

  it('is one of a key that nobody asked for', async () => {
    const set = await scene()
    const { issuing } = await runCeremony(new CeremonyRoom().ports, await newPlan({ crls: null }))
    const certificate = issuing[0]?.der ?? new Uint8Array()
    expect(await codeOfAsync(() => importAuthority(set.ports, { actor, certificate }))).toBe('AUTHORITY_NOT_AWAITED')
  })

  it('is one that another root signed for a request of ours', async () => {
    const set = await scene()
    const other = new CeremonyRoom()
    other.clock.set(set.house.ports.clock.now())
    const { issuing } = await runCeremony(
      other.ports,
      await newPlan({ issuing: await requests(set.ports), crls: null }),
    )
    const certificate = issuing[0]?.der ?? new Uint8Array()
    await expect(importAuthority(set.ports, { actor, certificate })).rejects.toMatchObject({
      code: 'AUTHORITY_CERTIFICATE_INVALID',
      details: { reason: 'no root of ours' },
    })
  })

  it('is a root of another trust domain, or one that did not sign itself', async () => {
    const { ports } = await scene()
    const stranger = TestAuthority.root('Stranger')
    await expect(importAuthority(ports, { actor, certificate: stranger.certificate.der })).rejects.toMatchObject({
      code: 'AUTHORITY_CERTIFICATE_INVALID',
      details: { reason: 'trust domain' },
    })
  })

  it('is one whose key is gone', async () => {
    const set = await scene()
    const { issuing } = await runCeremony(
      roomOf(set),
      await newPlan({
        root: { kind: 'existing', key: 'root-1', certificate: set.root },
        issuing: await requests(set.ports),
        crls: null,
      }),
    )
    const awaiting = (await listAuthorities(set.ports.reader)).filter(isAwaiting)
    set.house.keys.remove(awaiting[0]?.keyReference ?? '')
    const certificate = issuing[0]?.der ?? new Uint8Array()
    expect(await codeOfAsync(() => importAuthority(set.ports, { actor, certificate }))).toBe('KEY_NOT_FOUND')
  })
})

function roomOf({ room }: { readonly room: CeremonyRoom }) {
  room.lines = []
  room.files.clear()
  return room.ports
}

it('a request is made again for whoever lost it, until it was answered', async () => {
  const { ports } = await beforeCeremony()
  const { id } = await requestAuthority(ports, actor)
  const first = parseCsr(await authorityRequest(ports, id))
  expect(parseCsr(await authorityRequest(ports, id)).publicKey.spki).toEqual(first.publicKey.spki)
  expect(first.requestedSpiffeId?.toString()).toBe('spiffe://example.org')
  expect(newKeyPair().publicKey.spki).not.toEqual(first.publicKey.spki)
  expect(await codeOfAsync(() => authorityRequest(ports, 'aut_none'))).toBe('AUTHORITY_NOT_FOUND')
})
