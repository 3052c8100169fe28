import { beforeEach, describe, expect, it } from 'vitest'
import { runCeremony } from '#flows/ceremony/run-ceremony.ts'
import { rootCrlName, rootCrlUrl } from '#flows/ceremony/locations.ts'
import { bringCrl } from '#flows/admin/authorities.ts'
import { CrlShelf } from '#flows/crl/crl-shelf.ts'
import { importRootCrl } from '#flows/crl/import-root-crl.ts'
import { crlStatusOf } from '#flows/crl/crl-facts.ts'
import { RootCrlWatch, type RootCoverage } from '#flows/crl/root-crl-watch.ts'
import { importAuthority } from '#flows/import-authority.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { DAY, instant, SECOND, wholeSecond, type Instant } from '#kernel/instant.ts'
import { assembleCrl, encodeTbsCrl, parseCertificate, parseCrl, type Certificate, type CrlScope } from '#x509/index.ts'
import { CeremonyRoom, newPlan } from '../../support/ceremony.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { OfflineHouse, STATUS_URL, YEAR } from '../../support/offline-root.ts'
import { callerWith, newWorld } from '../../support/enrollment.ts'
import { newTrustDomain } from '../../support/trust-domain.ts'
import { signWith, type KeyPair } from '../../support/x509.ts'

const actor = 'local:0'

let house: OfflineHouse
beforeEach(async () => {
  house = await OfflineHouse.open()
})

const bring = (crl: Bytes) => importRootCrl(house.domain.ports, { actor, crl })
async function bringAll(crls: readonly { readonly der: Bytes }[] = house.first.crls): Promise<void> {
  for (const { der } of crls) await bring(der)
}
const name = () => rootCrlName(house.root)
const served = async () => Number(parseCrl((await house.shelf.find(name(), 'complete')).der).number)
/** What a replica serves that has just started. */
async function servedAnew(): Promise<number> {
  const { reader, clock, authorities } = house.domain.ports
  const shelf = new CrlShelf({ reader, clock, authorities, shards: 4 })
  return Number(parseCrl((await shelf.find(name(), 'complete')).der).number)
}
const leaves = () => house.domain.store.leaves.filter(({ draft }) => draft.type === 'crl.imported')
/** What is wrong with it; `ACCEPTED` when nothing is. */
const verdict = (crl: Bytes) => codeOfAsync(() => bring(crl))

interface Wishes {
  readonly number?: bigint
  readonly from?: number
  readonly days?: number
  readonly scope?: CrlScope
}

interface Signing {
  readonly root: Certificate
  readonly pair: KeyPair
}

function signedBy({ root, pair }: Signing, wishes: Wishes, now: Instant): Bytes {
  const { number = 50n, from = 0, days = 45, scope } = wishes
  const thisUpdate = instant(now + Math.round(from * DAY))
  const tbs = encodeTbsCrl({
    signatureAlgorithm: pair.algorithm,
    issuer: root.subject,
    thisUpdate,
    nextUpdate: instant(thisUpdate + Math.round(days * DAY)),
    entries: [],
    authorityKeyIdentifier: root.publicKey.keyIdentifier,
    number,
    ...(scope === undefined ? {} : { scope }),
  })
  return assembleCrl(tbs, pair.algorithm, signWith(pair, tbs))
}

/** Signed by the root as a ceremony would, but for what is wished for. */
function forged(wishes: Wishes = {}): Bytes {
  return signedBy({ root: house.root, pair: house.room.keys.pair('memory:root-1') }, wishes, house.domain.clock.now())
}

describe('the CRLs that a ceremony made for a year', () => {
  it('R13 are stored, and each is served in its time at the place that issuing certificates name', async () => {
    expect(await codeOfAsync(served)).toBe('CRL_NOT_FOUND')
    await bringAll()
    const [named] = house.first.issuing.map((one) => one.extension('crlDistributionPoints')?.uris)
    expect(named).toEqual([rootCrlUrl(STATUS_URL, house.root)])
    expect(named).toEqual([`${STATUS_URL}/crl/${name()}.crl`])
    for (let number = 1; number <= 13; number++) {
      expect(await served()).toBe(number)
      house.domain.clock.advance(30 * DAY - SECOND)
      expect(await served()).toBe(number)
      house.domain.clock.advance(SECOND)
    }
    // Fail static: the last one is shown also when it is over, and whoever reads it sees that.
    house.domain.clock.advance(100 * DAY)
    expect(await served()).toBe(13)
  })

  it('promise 1 are on record, one leaf each, and none for one that is there already', async () => {
    await bringAll()
    expect(leaves()).toHaveLength(13)
    const [crl] = house.first.crls
    const again = await bring(crl?.der ?? new Uint8Array())
    expect(again).toMatchObject({ isNew: false, crl: { number: 1 } })
    expect(leaves()).toHaveLength(13)
    expect(leaves()[0]?.draft).toMatchObject({ actor, object: `authority:${house.rootId}`, decision: 'permit' })
    expect(house.domain.store.all('Crl').filter(({ authority }) => authority === house.rootId)).toHaveLength(13)
  })

  it('are taken in any order', async () => {
    await bringAll(house.first.crls.toReversed())
    expect(await served()).toBe(1)
  })

  it('go on being served while the store is away', async () => {
    await bringAll()
    expect(await served()).toBe(1)
    const { reader } = house.domain.ports
    const list = reader.list.bind(reader)
    Object.assign(reader, { list: () => Promise.reject(new TypeError('away')) })
    house.domain.clock.advance(31 * DAY)
    expect(await served()).toBe(1)
    Object.assign(reader, { list })
    house.domain.clock.advance(2 * SECOND)
    expect(await served()).toBe(2)
  })

  it('are shown to nobody by another name, and by no shard', async () => {
    await bringAll()
    for (const [authority, scope] of [
      [house.rootId, 'complete'],
      [name(), '0'],
      [name(), '0000000000000001'],
      ['root-00', 'complete'],
      [`root-${'0'.repeat(40)}`, 'complete'],
    ] as const) {
      expect(await codeOfAsync(() => house.shelf.find(authority, scope)), authority).toBe('CRL_NOT_FOUND')
    }
  })

  it('R4 those of a later ceremony are served instead, although the earlier ones were made for the time after it', async () => {
    await bringAll()
    house.domain.clock.advance(10 * DAY)
    const [issuing] = house.first.issuing
    const serial = issuing?.serial ?? new Uint8Array()
    const revoked = [{ serial, revokedAt: house.domain.clock.now(), reason: 'cACompromise' as const }]
    const { crls } = await house.again({ crls: { ...YEAR, count: 2, firstNumber: 14n, revoked } })
    await bringAll(crls)
    house.domain.clock.advance(2 * SECOND)
    expect([await served(), await servedAnew()]).toEqual([14, 14])
    // The second of the first series would be next by its time: it does not list the authority.
    house.domain.clock.advance(21 * DAY)
    expect([await served(), await servedAnew()]).toEqual([14, 14])
    house.domain.clock.advance(10 * DAY)
    expect([await served(), await servedAnew()]).toEqual([15, 15])
    // Not even when the later series is over.
    house.domain.clock.advance(100 * DAY)
    const shown = parseCrl((await house.shelf.find(name(), 'complete')).der)
    expect([shown.number, await servedAnew()]).toEqual([15n, 15])
    expect(shown.find(serial)).toBeDefined()
  })
})

describe('a CRL that is not taken', () => {
  it.each<[string, string, Wishes]>([
    ['covers another place than the one where it would be served', 'ROOT_CRL_SCOPE', { scope: pointing('/other.crl') }],
    ['covers leaves only', 'ROOT_CRL_SCOPE', { scope: { distributionPoint: undefined, only: 'userCertificates' } }],
    ['is over already', 'ROOT_CRL_OVER', { from: -30 / 86_400, days: 10 / 86_400 }],
    ['is of a time before its root', 'ROOT_CRL_TIME', { from: -4000 }],
    ['is of a time after its root', 'ROOT_CRL_TIME', { from: 4000 }],
    ['has a number that is beyond what is counted', 'ROOT_CRL_NUMBER', { number: 2n ** 60n }],
    ['has a number that another one has', 'ROOT_CRL_NUMBER', { number: 3n, from: 60 }],
    ['has a lower number than one of the same time', 'ROOT_CRL_SUPERSEDED', { number: 0n }],
    ['has a lower number than one of an earlier time', 'ROOT_CRL_SUPERSEDED', { number: 0n, from: 33 }],
  ])('%s', async (_, code, wishes) => {
    await bringAll()
    const count = house.domain.store.all('Crl').length
    expect(await verdict(forged(wishes))).toBe(code)
    expect(house.domain.store.all('Crl')).toHaveLength(count)
    expect(await served()).toBe(1)
    expect(await verdict(forged())).toBe('ACCEPTED')
  })

  it('is of no root of ours', async () => {
    const other = await runCeremony(new CeremonyRoom().ports, await newPlan({ issuing: [], crls: YEAR }))
    expect(await verdict(other.crls[0]?.der ?? new Uint8Array())).toBe('ROOT_CRL_FOREIGN')
  })

  it('is signed by somebody else in the name of our root', async () => {
    const { crls } = await house.again({ crls: YEAR })
    expect(await verdict(crls[0]?.der ?? new Uint8Array())).toBe('ACCEPTED')
    expect(await verdict(altered(crls[1]?.der ?? new Uint8Array()))).toBe('CRL_SIGNATURE_INVALID')
  })

  it('is no CRL', async () => {
    expect(await verdict(house.root.der)).toMatch(/^CRL_/)
    expect(await verdict(new Uint8Array([0x30, 0]))).toBe('CRL_MALFORMED')
  })

  it('is of a root whose key the server has, and which signs its own', async () => {
    const domain = await newTrustDomain({ options: { mode: 'rooted', root: 'generate' } })
    const root = domain.store.all('Authority').find(({ kind }) => kind === 'x509-root')
    const certificate = parseCertificate(root?.certificate ?? new Uint8Array())
    const by = { root: certificate, pair: domain.keys.pair(root?.keyReference ?? '') }
    const crl = signedBy(by, { number: 1n }, wholeSecond(domain.clock.now()))
    expect(await codeOfAsync(() => importRootCrl(domain.ports, { actor, crl }))).toBe('ROOT_CRL_KEPT_BY_SERVER')
  })

  it('comes from somebody who is no CA admin, and that is on record', async () => {
    const world = await newWorld()
    const operator = await callerWith(world, 'operator')
    const crl = house.first.crls[0]?.der ?? new Uint8Array()
    expect(await codeOfAsync(() => bringCrl(world.ports, operator, crl))).toBe('ROLE_REQUIRED')
    const caAdmin = await callerWith(world, 'ca-admin')
    expect(await codeOfAsync(() => bringCrl(world.ports, caAdmin, crl))).toBe('ROOT_CRL_FOREIGN')
    const denials = world.store.leaves.filter(({ draft }) => draft.type === 'crl.imported')
    expect(denials.map(({ draft }) => draft.decision)).toEqual(['deny:ROLE_REQUIRED', 'deny:ROOT_CRL_FOREIGN'])
  })
})

describe('R6 a CRL that names its place', () => {
  it('is taken when that is octet for octet the one where it is served', async () => {
    const scope = { distributionPoint: rootCrlUrl(STATUS_URL, house.root), only: undefined }
    expect(await verdict(forged({ scope }))).toBe('ACCEPTED')
    expect(await verdict(forged({ number: 51n, scope: { ...scope, only: 'authorityCertificates' } }))).toBe('ACCEPTED')
    for (const point of [`${scope.distributionPoint}/`, scope.distributionPoint.replace('http:', 'HTTP:')]) {
      expect(await verdict(forged({ number: 52n, scope: { ...scope, distributionPoint: point } }))).toBe(
        'ROOT_CRL_SCOPE',
      )
    }
  })

  it('is not taken where nothing is published', async () => {
    house = await OfflineHouse.open(YEAR, null)
    const scope = { distributionPoint: rootCrlUrl(STATUS_URL, house.root), only: undefined }
    expect(await verdict(forged({ scope }))).toBe('ROOT_CRL_SCOPE')
    expect(await verdict(forged())).toBe('ACCEPTED')
  })
})

describe('who watches the CRLs of a root', () => {
  const told: RootCoverage[] = []
  let coverage: readonly RootCoverage[] = []
  let watch: RootCrlWatch
  beforeEach(() => {
    told.length = 0
    watch = new RootCrlWatch(house.domain.ports, {
      onCoverage: (all) => (coverage = all),
      onEnding: (root) => told.push(root),
    })
  })

  it('hears two months before they run out, once a day, and no more when others are there', async () => {
    await bringAll()
    const end = house.first.crls.at(-1)?.nextUpdate ?? 0
    await watch.run()
    expect(coverage).toEqual([{ authority: house.rootId, until: end }])
    house.domain.clock.set(instant(end - 61 * DAY))
    await watch.run()
    expect(told).toEqual([])
    house.domain.clock.advance(DAY)
    await watch.run()
    await watch.run()
    expect(told).toEqual([{ authority: house.rootId, until: end }])
    house.domain.clock.advance(DAY)
    await watch.run()
    expect(told).toHaveLength(2)
    const { crls } = await house.again({ crls: { ...YEAR, firstNumber: 14n } })
    await bringAll(crls)
    await watch.run()
    expect(told).toHaveLength(2)
    expect(coverage).toEqual([{ authority: house.rootId, until: crls.at(-1)?.nextUpdate }])
  })

  it('hears that they are over, and of a root without any nothing but that', async () => {
    await watch.run()
    expect([coverage, told]).toEqual([[{ authority: house.rootId, until: null }], []])
    await bringAll()
    house.domain.clock.advance(500 * DAY)
    await watch.run()
    expect(told).toEqual([{ authority: house.rootId, until: null }])
  })

  it('sees in the status which one counts, and what follows', async () => {
    await bringAll()
    house.domain.clock.advance(40 * DAY)
    const root = await house.domain.store.find('Authority', { id: house.rootId })
    if (root === null) throw new TypeError('no root')
    const [, second, third] = house.first.crls
    expect(await crlStatusOf(house.domain.store, root, house.domain.clock.now())).toEqual({
      by: 'ceremony',
      number: 2,
      thisUpdate: second?.thisUpdate,
      nextUpdate: second?.nextUpdate,
      next: third?.thisUpdate,
      coveredUntil: house.first.crls.at(-1)?.nextUpdate,
      ahead: 11,
      overdue: false,
    })
  })
})

it('while a root follows another, the CRLs of each are served at a place of its own', async () => {
  await bringAll()
  const room = new CeremonyRoom()
  room.clock.set(house.domain.clock.now())
  const next = await runCeremony(room.ports, await newPlan({ issuing: [], crls: { ...YEAR, firstNumber: 7n } }))
  const crl = next.crls[0]?.der ?? new Uint8Array()
  expect(await verdict(crl)).toBe('ROOT_CRL_FOREIGN')
  await importAuthority(house.domain.ports, { actor, certificate: next.root.der })
  expect(await verdict(crl)).toBe('ACCEPTED')
  expect(await served()).toBe(1)
  expect(parseCrl((await house.shelf.find(rootCrlName(next.root), 'complete')).der).number).toBe(7n)
  expect(rootCrlName(next.root)).not.toBe(name())
})

function pointing(path: string): CrlScope {
  return { distributionPoint: STATUS_URL + path, only: undefined }
}

function altered(der: Bytes): Bytes {
  // In the middle of the number of the signature's second half: still DER.
  const copy = der.slice()
  copy[copy.length - 3] = (copy[copy.length - 3] ?? 0) ^ 1
  return copy
}
