import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addAgent } from '#flows/admin/agents.ts'
import { bootstrapFirstAdmin } from '#flows/admin/bootstrap.ts'
import { addJoinToken } from '#flows/admin/join-tokens.ts'
import { authenticate } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import type { CrlPorts } from '#flows/crl/ports.ts'
import { rootCrlName } from '#flows/ceremony/locations.ts'
import { runCeremony } from '#flows/ceremony/run-ceremony.ts'
import { importRootCrl } from '#flows/crl/import-root-crl.ts'
import { importRoot } from '#flows/import-root.ts'
import { refreshAuthorities } from '#flows/load-authorities.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import type { Sequencer } from '#flows/ports.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { DAY, HOUR, instant, MINUTE, SECOND } from '#kernel/instant.ts'
import { dropIdle, KINDS, type Database } from '../../contract/store/subjects.ts'
import { CrlReplica, serialsOf, STATUS_URL } from '../../support/crl-house.ts'
import { CeremonyRoom, newPlan } from '../../support/ceremony.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { csrOf, joinWith } from '../../support/enrollment.ts'
import { closeReplicas, openReplicas, type ReplicaPorts } from '../../support/replicas.ts'
import { newKeyPair } from '../../support/x509.ts'

const SHARDS = 2

type CrlReplicaPorts = ReplicaPorts & Pick<CrlPorts, 'keys'>

function named(ports: ReplicaPorts): CrlReplicaPorts {
  const profile = { ...ports.profile, statusUrl: STATUS_URL, crlShards: SHARDS }
  return { ...ports, profile }
}

afterAll(dropIdle)

describe.each(KINDS.filter(({ replicas }) => replicas))('on $name, with two replicas', (kind) => {
  let database: Database
  let replicas: readonly [CrlReplicaPorts, CrlReplicaPorts]
  let one: CrlReplica
  let two: CrlReplica
  let authority: string
  beforeEach(async () => {
    database = await kind.make()
    const opened = await openReplicas(database)
    replicas = [named(opened[0]), named(opened[1])]
    one = new CrlReplica(replicas[0])
    two = new CrlReplica(replicas[1])
    authority = replicas[0].authorities.current().active('x509').authorityId
    await bootstrapFirstAdmin(replicas[0], { uid: 1000, name: 'operator' })
    await addAgent(replicas[0], await admin(), { name: 'invoice-bot', owner: 'billing team' })
  })
  afterEach(async () => {
    await closeReplicas(replicas)
    await database.dispose()
  })

  const admin = () => authenticate(replicas[0], { kind: 'unix', uid: 1000 })
  const anyone = () => authenticate(replicas[0], { kind: 'tls', chain: [], address: '192.0.2.1' })

  async function enrolled(): Promise<string> {
    const { token } = await addJoinToken(replicas[0], await admin(), { agent: 'invoice-bot' })
    const csr = await csrOf(newKeyPair())
    return (await enroll(replicas[0], await anyone(), joinWith(token.reveal(), csr))).instance
  }

  const revoking = async (instance: string) =>
    revoke(replicas[1], await admin(), { handle: 'instance', value: instance, reason: 'unspecified' })

  const sequence = async () => {
    const store = replicas[0].reader as unknown as Sequencer
    while ((await store.sequence('Outbox')) > 0);
  }

  const complete = async (replica: CrlReplica) => serialsOf(await replica.crl(authority, 'complete'))

  it('R13 what one publishes the other one serves a second later', async () => {
    await one.round()
    expect(await complete(two)).toEqual([])
    const instance = await enrolled()
    database.clock.advance(MINUTE)
    await revoking(instance)
    await one.round()
    database.clock.advance(SECOND)
    expect(await complete(two)).toEqual(await complete(one))
    expect(await complete(two)).toHaveLength(1)
  })

  it('R13 what one takes back whose clock is behind is on the CRL all the same, also when the other took over meanwhile', async () => {
    const [seen, unseen] = [await enrolled(), await enrolled()]
    await one.round()
    const behind = async (instance: string) => {
      const right = database.clock.now()
      database.clock.set(instant(right - 2 * HOUR))
      await revoking(instance)
      database.clock.set(right)
      await sequence()
    }
    await behind(seen)
    database.clock.advance(3 * SECOND)
    await one.round()
    expect(await complete(one)).toHaveLength(1)
    await behind(unseen)
    database.clock.advance(3 * SECOND)
    await two.round()
    expect(await complete(two)).toHaveLength(2)
  })

  it('R4 R13 of two who import the CRLs of a root at once each is stored once, and every replica serves what counts', async () => {
    const room = new CeremonyRoom()
    room.clock.set(database.clock.now())
    const crls = { count: 3, every: 30 * DAY, overlap: 15 * DAY, firstNumber: 9n, revoked: [] }
    const made = await runCeremony(room.ports, await newPlan({ issuing: [], crls }))
    await importRoot(replicas[0], 'local:0', { certificate: made.root.der, keyReference: null })
    for (const ports of replicas) await refreshAuthorities(ports)
    const bring = (ports: CrlReplicaPorts, crl: Bytes) =>
      codeOfAsync(() => importRootCrl(ports, { actor: 'local:0', crl }))
    for (const { der } of made.crls) {
      const outcomes = await Promise.all(replicas.map((ports) => bring(ports, der)))
      expect(outcomes).toContain('ACCEPTED')
      expect(['ACCEPTED', 'ROOT_CRL_NUMBER']).toContain(outcomes.toSorted()[1])
    }
    const rows = await replicas[1].reader.list('Crl', { limit: 100, orderBy: 'number' })
    expect(rows.map(({ number }) => number)).toEqual([9, 10, 11])
    for (const number of [9n, 10n, 11n]) {
      for (const replica of [one, two]) {
        expect((await replica.crl(rootCrlName(made.root), 'complete')).number).toBe(number)
      }
      database.clock.advance(30 * DAY)
    }
    // A number that counts by now leaves no place for a lower one.
    const late = await runCeremony(
      roomWith(room),
      await newPlan({
        issuing: [],
        root: { kind: 'existing', key: 'root-1', certificate: made.root },
        crls: { ...crls, count: 1, firstNumber: 1n },
      }),
    )
    expect(await bring(replicas[0], late.crls[0]?.der ?? new Uint8Array())).toBe('ROOT_CRL_SUPERSEDED')

    function roomWith(earlier: CeremonyRoom) {
      const later = new CeremonyRoom()
      later.clock.set(database.clock.now())
      return Object.assign(later, { keys: earlier.keys }).ports
    }
  })

  it('R4 R7 R13 both at once publish no number twice, and lose nothing', async () => {
    const instances: string[] = []
    for (let count = 0; count < 6; count++) instances.push(await enrolled())
    for (const instance of instances) {
      database.clock.advance(3 * SECOND)
      await revoking(instance)
      await Promise.all([one.round(), two.round()].map((round) => round.catch(() => 0)))
    }
    for (let round = 0; round < 4; round++) {
      database.clock.advance(3 * SECOND)
      await one.round()
    }
    const { shards, complete: all } = await one.lists(authority, SHARDS)
    expect(all).toHaveLength(instances.length)
    expect(shards.flat().toSorted()).toEqual(all.toSorted())
    const leaves = await replicas[0].reader.list('LogLeaf', { where: { type: 'crl.published' }, limit: 1000 })
    const texts = leaves.map(({ bytes }) => Buffer.from(bytes).toString()).filter((text) => text.includes('"permit"'))
    const named = texts.map((text) => {
      const leaf = JSON.parse(text) as { object: string; commitments: Record<string, string> }
      return `${leaf.object} ${leaf.commitments['scope'] ?? ''}`
    })
    expect(named.length).toBeGreaterThan(6)
    expect(new Set(named).size).toBe(named.length)
    expect(one.failures.concat(two.failures)).toEqual([])
  })
})
