import { beforeEach, describe, expect, it } from 'vitest'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { authenticateForRenewal } from '#flows/authenticate.ts'
import { renew } from '#flows/renew.ts'
import { DAY, HOUR, instant, MINUTE, SECOND } from '#kernel/instant.ts'
import { parseCertificate, verifyCrl } from '#x509/index.ts'
import { step, withSuccessor } from '../../support/authority-steps.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { CrlHouse, CrlReplica, serialsOf, STATUS_URL } from '../../support/crl-house.ts'
import { csrOf, trail } from '../../support/enrollment.ts'
import { newKeyPair } from '../../support/x509.ts'

const SHARDS = 4
let house: CrlHouse
beforeEach(async () => {
  house = await CrlHouse.open(SHARDS)
})

const listed = async (scope = 'complete') => serialsOf(await house.replica.crl(house.authority, scope))

describe('the CRLs of an authority', () => {
  it('R1 R2 R3 R4 R6 are there before anything is revoked, one of each shard and one of everything', async () => {
    const issuer = parseCertificate(
      house.world.authorities.current().active('x509').certificate?.der ?? new Uint8Array(),
    )
    expect(await house.replica.round()).toBe(SHARDS + 1)
    for (const scope of ['0', '1', '2', '3', 'complete']) {
      const crl = await house.replica.crl(house.authority, scope)
      verifyCrl(crl, issuer)
      expect(crl.entries).toEqual([])
      expect(crl.nextUpdate - crl.thisUpdate).toBe(DAY)
      const point = scope === 'complete' ? undefined : `${STATUS_URL}/crl/${house.authority}/${scope}.crl`
      expect(crl.scope?.distributionPoint).toBe(point)
    }
    expect(await house.replica.round()).toBe(0)
  })

  it('R6 are named by the certificates of their shard, octet for octet', async () => {
    await house.replica.round()
    const row = house.certificateOf(await house.enroll())
    const points = parseCertificate(row.der ?? new Uint8Array()).extension('crlDistributionPoints')?.uris
    const crl = await house.replica.crl(house.authority, String(row.crlShard))
    expect(points).toEqual([crl.scope?.distributionPoint])
  })

  it('are of everything only, where no certificate names a shard', async () => {
    house = await CrlHouse.open(SHARDS, null)
    expect(await house.replica.round()).toBe(1)
    expect(await codeOfAsync(() => house.replica.crl(house.authority, '0'))).toBe('CRL_NOT_FOUND')
  })

  it('promise 1 are recorded before they are signed, and again when they are published', async () => {
    const since = house.world.store.leaves.length
    await house.replica.round()
    const leaves = house.world.store.leaves.slice(since).filter(({ draft }) => draft.type.startsWith('crl.'))
    const about = (type: string) => leaves.filter(({ draft }) => draft.type === type)
    expect(about('crl.intent')).toHaveLength(SHARDS + 1)
    expect(about('crl.published')).toHaveLength(SHARDS + 1)
    const tbs = about('crl.intent').map(({ draft }) => draft.commitments['tbs'])
    // Five CRLs of one moment: each leaf is of its own scope.
    expect(new Set(tbs).size).toBe(SHARDS + 1)
    expect(about('crl.intent').map(({ draft }) => draft.commitments['scope'])).toContain('complete')
  })
})

describe('a revocation', () => {
  it('R7 R10 R13 is on the CRL of its shard and on that of everything in the next round, and on no other', async () => {
    const [bot, other] = [house.certificateOf(await house.enroll()), house.certificateOf(await house.enroll())]
    await house.replica.round()
    house.world.clock.advance(MINUTE)
    await house.revoke('instance', bot.instance ?? '', 'cessation_of_operation')
    expect(await house.replica.round()).toBe(2)
    const { shards, complete } = await house.replica.lists(house.authority, SHARDS)
    expect(complete).toEqual([bot.serial])
    expect(shards.map((serials, shard) => (serials.length > 0 ? shard : null)).filter((at) => at !== null)).toEqual([
      bot.crlShard,
    ])
    expect(complete).not.toContain(other.serial)
    const crl = await house.replica.crl(house.authority, 'complete')
    expect(crl.entries[0]).toMatchObject({ reason: 'cessationOfOperation', revokedAt: crl.thisUpdate })
  })

  it.each([
    ['agent', () => 'invoice-bot'],
    ['certificate', (row) => row.serial],
    ['lineage', (row) => row.lineage ?? ''],
    ['key', (row) => row.spkiHash],
    ['authority', () => house.authority],
    [
      'evidence',
      (row) => house.world.store.all('Instance').find(({ id }) => id === row.instance)?.evidenceDigest ?? '',
    ],
  ] as const satisfies readonly (readonly [
    'agent' | 'certificate' | 'lineage' | 'key' | 'authority' | 'evidence',
    (row: ReturnType<CrlHouse['certificateOf']>) => string,
  ])[])('by %s is spelled out', async (handle, valueOf) => {
    const row = house.certificateOf(await house.enroll())
    house.world.clock.advance(MINUTE)
    await house.revoke(handle, valueOf(row), handle === 'authority' ? 'ca_compromise' : 'unspecified')
    await house.settle()
    // With the authority goes the canary that it signed first.
    const kinds = handle === 'authority' ? ['svid', 'canary'] : ['svid']
    const dead = house.world.store.all('Certificate').filter(({ kind }) => kinds.includes(kind))
    expect((await listed()).toSorted()).toEqual(dead.map(({ serial }) => serial).toSorted())
  })

  it('of a superseded certificate alone is found without a cutoff', async () => {
    const first = await house.enroll()
    const row = house.certificateOf(first)
    house.world.clock.advance(MINUTE)
    const caller = await authenticateForRenewal(house.world.ports, first.peer)
    await renew(house.world.enrolling, caller, { csr: await csrOf(newKeyPair()) })
    await house.replica.round()
    await house.revoke('certificate', row.serial, 'superseded')
    await house.settle()
    expect(await listed()).toEqual([row.serial])
    expect((await house.replica.crl(house.authority, 'complete')).entries[0]?.reason).toBe('superseded')
  })

  it('R9 keeps its first reason, unless the key turns out to be compromised', async () => {
    const row = house.certificateOf(await house.enroll())
    const reason = async () => (await house.replica.crl(house.authority, String(row.crlShard))).entries[0]?.reason
    house.world.clock.advance(MINUTE)
    await house.revoke('instance', row.instance ?? '')
    await house.settle()
    expect(await reason()).toBe('unspecified')
    await house.revoke('lineage', row.lineage ?? '', 'privilege_withdrawn')
    await house.settle()
    expect(await reason()).toBe('unspecified')
    await house.revoke('instance', row.instance ?? '', 'key_compromise')
    await house.settle()
    expect(await reason()).toBe('keyCompromise')
  })

  it('reaches an intent that may have been signed, and one that was given up', async () => {
    const row = house.certificateOf(await house.enroll())
    const intent = { ...row, state: 'intent', der: null, idempotencyKey: null } as const
    house.world.store.seed('Certificate', { ...intent, serial: '01aa', lineage: 'lin_2', instance: 'i-2' })
    house.world.store.seed('Certificate', { ...intent, serial: '01bb' })
    house.world.clock.advance(2 * MINUTE)
    await house.revoke('instance', row.instance ?? '')
    await house.settle()
    expect(await listed()).toEqual(['01bb', row.serial])
    await reconcileIntents(house.world.ports, { startedAs: null })
    await house.settle()
    expect((await listed()).toSorted()).toEqual(['01aa', '01bb', row.serial].toSorted())
  })

  it('of an agent that is suspended is none: its certificates work again after resume', async () => {
    const { suspendAgent } = await import('#flows/admin/agent-state.ts')
    await house.enroll()
    await suspendAgent(house.world.ports, house.world.admin, { name: 'invoice-bot' })
    await house.settle()
    expect(await listed()).toEqual([])
  })

  it('of many at once makes few CRLs: a scope rests between two of them', async () => {
    await house.replica.round()
    const bots = []
    for (let index = 0; index < 6; index++) bots.push(house.certificateOf(await house.enroll()))
    let complete = 0
    for (const { instance } of bots) {
      house.world.clock.advance(SECOND / 2)
      await house.revoke('instance', instance ?? '')
      const { number } = await house.replica.crl(house.authority, 'complete')
      await house.replica.round()
      if ((await house.replica.crl(house.authority, 'complete')).number !== number) complete++
    }
    expect(complete).toBeLessThanOrEqual(2)
    await house.settle()
    expect(await listed()).toHaveLength(6)
  })
})

describe('time', () => {
  it('R13 comes with a new CRL at half of what the last one is valid for, and before its end always', async () => {
    await house.replica.round()
    const { number } = await house.replica.crl(house.authority, '0')
    house.world.clock.advance(12 * HOUR - SECOND)
    expect(await house.replica.round()).toBe(0)
    house.world.clock.advance(2 * SECOND)
    expect(await house.replica.round()).toBe(SHARDS + 1)
    expect((await house.replica.crl(house.authority, '0')).number).toBeGreaterThan(number)
  })

  it('R4 R13 set back makes no number smaller, and nothing revoked in the future', async () => {
    const row = house.certificateOf(await house.enroll())
    const { clock } = house.world
    clock.advance(MINUTE)
    await house.revoke('instance', row.instance ?? '')
    await house.settle()
    const before = await house.replica.crl(house.authority, 'complete')
    clock.set(instant(clock.now() - HOUR))
    const other = new CrlReplica(house.world.ports)
    await house.revoke('instance', row.instance ?? '', 'key_compromise')
    await house.settle(other)
    const crl = await other.crl(house.authority, 'complete')
    expect(crl.number).toBe(before.number + 1n)
    expect(crl.entries[0]?.reason).toBe('keyCompromise')
    // That clock is known to be wrong, so what it says is not gone by.
    expect(crl.thisUpdate).toBe(before.thisUpdate)
  })

  it('R2 R13 that ran ahead leaves no CRL that is still to begin, once it is right', async () => {
    const row = house.certificateOf(await house.enroll())
    const { clock } = house.world
    clock.advance(MINUTE)
    await house.settle()
    clock.leap(20 * MINUTE)
    await house.revoke('instance', row.instance ?? '')
    await house.settle()
    clock.leap(-20 * MINUTE)
    await house.settle()
    for (const scope of ['0', '1', '2', '3', 'complete']) {
      expect((await house.replica.crl(house.authority, scope)).thisUpdate).toBeLessThanOrEqual(clock.now())
    }
    const complete = await house.replica.crl(house.authority, 'complete')
    expect(serialsOf(complete)).toEqual([row.serial])
    await house.settle()
    expect((await house.replica.crl(house.authority, 'complete')).number).toBe(complete.number)
  })

  it('R8 that ran ahead by a day takes no living certificate off the lists, once it is right', async () => {
    const [first, second] = [house.certificateOf(await house.enroll()), house.certificateOf(await house.enroll())]
    const { clock } = house.world
    clock.advance(MINUTE)
    await house.revoke('instance', first.instance ?? '')
    await house.settle()
    clock.leap(25 * HOUR)
    await house.settle()
    clock.leap(-25 * HOUR)
    await house.revoke('instance', second.instance ?? '')
    await house.settle()
    const complete = await house.replica.crl(house.authority, 'complete')
    expect(serialsOf(complete).sort()).toEqual([first.serial, second.serial].sort())
    expect(serialsOf(await house.replica.crl(house.authority, String(first.crlShard)))).toContain(first.serial)
  })

  it('behind its mark signs what is from the future no more than once a minute', async () => {
    const { clock } = house.world
    clock.advance(MINUTE)
    await house.settle()
    clock.set(instant(clock.now() - HOUR))
    let published = 0
    for (let round = 0; round < 60; round++) {
      clock.advance(SECOND)
      published += await house.replica.round()
    }
    expect(published).toBeLessThanOrEqual(10)
  })

  it('R8 leaves a line on the list until a CRL after the end of its certificate has had it, and forgets it then', async () => {
    const row = house.certificateOf(await house.enroll())
    const { clock, store } = house.world
    clock.advance(MINUTE)
    await house.revoke('instance', row.instance ?? '')
    await house.settle()
    while (clock.now() <= row.notAfter) clock.advance(MINUTE)
    clock.advance(12 * HOUR)
    await house.settle()
    const crl = await house.replica.crl(house.authority, 'complete')
    expect(crl.thisUpdate).toBeGreaterThan(row.notAfter)
    expect(serialsOf(crl)).toEqual([row.serial])
    clock.advance(12 * HOUR)
    await house.settle()
    expect(await listed()).toEqual([])
    clock.advance(11 * MINUTE)
    await house.settle()
    expect(store.all('CrlEntry')).toEqual([])
    expect(trail(house.world, 0)).toContain('crl.forgotten permit')
  })
})

describe('an authority', () => {
  it('R11 goes on after it has retired, until nothing that it signed can be in force any more', async () => {
    const row = house.certificateOf(await house.enroll())
    const { authority: old } = house
    const next = await withSuccessor(house.world)
    await house.settle()
    // The next one's are there before it signs for anybody.
    expect(serialsOf(await house.replica.crl(next.id, '0'))).toEqual([])
    await step(house.world, next.id, 'activate')
    await step(house.world, old, 'retire', true)
    await house.revoke('instance', row.instance ?? '')
    await house.settle()
    expect(serialsOf(await house.replica.crl(old, 'complete'))).toEqual([row.serial])
    const count = house.replica.health.length
    house.world.clock.advance(2 * DAY + MINUTE)
    await house.settle()
    expect(house.replica.health.map(({ authority }) => authority)).not.toContain(old)
    expect(house.replica.health).toHaveLength(count - 1)
  })

  it('R11 that is tainted goes on as well', async () => {
    const row = house.certificateOf(await house.enroll())
    const { authority: old } = house
    const next = await withSuccessor(house.world)
    await step(house.world, next.id, 'activate')
    await step(house.world, old, 'taint')
    await house.revoke('authority', old, 'ca_compromise')
    await house.settle()
    const crl = await house.replica.crl(old, String(row.crlShard))
    expect(crl.entries.map(({ reason }) => reason)).toEqual(['cACompromise'])
  })

  it('that is only prepared has none', async () => {
    const { prepareAuthority } = await import('#flows/prepare-authority.ts')
    const made = await prepareAuthority(house.world.ports, { actor: 'local:0', kind: 'x509' })
    await house.settle()
    expect(await codeOfAsync(() => house.replica.crl(made.id, '0'))).toBe('CRL_NOT_FOUND')
  })
})
