import { beforeEach, describe, expect, it } from 'vitest'
import { authenticate } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import type { ListQuery } from '#flows/ports.ts'
import { certificatesCutOff } from '#flows/revoke/reach.ts'
import { previewRevocation, revoke } from '#flows/revoke/revoke.ts'
import type { TableName } from '#flows/tables.ts'
import { MINUTE, SECOND } from '#kernel/instant.ts'
import { pastEverything, type RevocationHandle } from '#revocation/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import {
  callerWith,
  csrOf,
  enrollNew,
  joinWith,
  newAgent,
  newToken,
  newWorld,
  peerWith,
  type Enrolled,
  type World,
} from '../support/enrollment.ts'
import { newKeyPair } from '../support/x509.ts'

const SELECTOR = 'x509pop:devices:subject:cn:sensor-7'
const EVERYTHING = { handle: 'trust-domain', value: 'example.org', reason: 'key_compromise' } as const

let world: World
let bot: Enrolled
let other: Enrolled

beforeEach(async () => {
  world = await newWorld()
  await newAgent(world)
  await newAgent(world, { name: 'mail-bot', owner: 'mail team' })
  bot = await enrollNew(world)
  other = await enrollNew(world, 'mail-bot')
  world.clock.advance(MINUTE)
})

const codeOf = ({ peer }: Enrolled): Promise<string> => codeOfAsync(() => authenticate(world.ports, peer))

describe('the whole trust domain', () => {
  it('is taken back in one write: every certificate so far is dead, and who still may enrolls anew', async () => {
    const token = await newToken(world)
    expect((await previewRevocation(world.ports, world.admin, EVERYTHING)).hits.instances).toHaveLength(2)
    expect((await revoke(world.ports, world.admin, EVERYTHING)).changed).toBe(true)
    expect([await codeOf(bot), await codeOf(other)]).toEqual(Array(2).fill('CLIENT_CERTIFICATE_REVOKED'))
    expect(world.store.all('Cutoff').map(({ key }) => key)).toEqual(['trust-domain:example.org'])
    const ask = async () => enroll(world.enrolling, world.anonymous, joinWith(token, await csrOf(newKeyPair())))
    expect(await codeOfAsync(ask)).toBe('ISSUANCE_CUT_OFF')
    world.clock.advance(2 * SECOND)
    const { svid } = await ask()
    expect(await codeOfAsync(() => authenticate(world.ports, peerWith(svid.certificate)))).toBe('ACCEPTED')
  })

  it("is an admin's to take back, and nobody else's", async () => {
    for (const role of ['operator', 'ca-admin', 'approver'] as const) {
      const caller = await callerWith(world, role)
      expect(await codeOfAsync(() => revoke(world.ports, caller, EVERYTHING))).toBe('ROLE_REQUIRED')
    }
  })

  it('reaches what agents and people hold, and leaves the server its own certificate', async () => {
    const before = pastEverything(world.clock.now())
    const cut = { kind: 'trust-domain', value: 'example.org', before } as const
    const kinds = new Set<string>()
    for await (const page of certificatesCutOff(world.store, cut, world.clock.now())) {
      page.forEach(({ kind }) => kinds.add(kind))
    }
    expect([...kinds]).toEqual(['svid'])
  })
})

describe('the write', () => {
  /** The tables that are listed without anything that an index could find. */
  function listings(): { readonly ports: typeof world.ports; readonly listed: [TableName, object][] } {
    const listed: [TableName, object][] = []
    const reader = {
      find: world.store.find.bind(world.store),
      list: <Table extends TableName>(table: Table, query: ListQuery<Table>) => {
        listed.push([table, query.where ?? {}])
        return world.store.list(table, query)
      },
    }
    return { ports: { ...world.ports, reader }, listed }
  }

  const INDEXED: Partial<Record<TableName, readonly string[]>> = {
    Instance: ['id', 'agent', 'node', 'lineage', 'evidenceDigest'],
    Certificate: ['serial', 'spkiHash', 'instance', 'lineage', 'issuedAt'],
    Task: ['id', 'agent', 'subject'],
    TaskToken: ['jti', 'task', 'agent', 'expiresAt'],
    Agent: ['id'],
  }

  it.each<[RevocationHandle, () => string]>([
    ['agent', () => 'invoice-bot'],
    ['instance', () => bot.answer.instance],
    [
      'certificate',
      () => world.store.all('Certificate').find((row) => row.instance === bot.answer.instance)?.serial ?? '',
    ],
    ['authority', () => world.store.all('Certificate').find(({ kind }) => kind === 'svid')?.authority ?? ''],
    ['trust-domain', () => 'example.org'],
  ])('by %s lists nothing that no index finds', async (handle, value) => {
    const { ports, listed } = listings()
    await revoke(ports, world.admin, { handle, value: value(), reason: 'unspecified' })
    for (const [table, where] of listed) {
      expect(Object.keys(where).filter((column) => INDEXED[table]?.includes(column) === true)).not.toEqual([])
    }
  })

  it('by selector reads no further than the first who showed it', async () => {
    const row = world.store.all('Instance')[0]
    if (row === undefined) throw new TypeError('no instance')
    world.store.seed('Instance', { ...row, id: 'i-0000000000000000', lineage: 'lin_9', selectors: [SELECTOR] })
    for (let number = 1; number <= 2500; number++) {
      world.store.seed('Instance', { ...row, id: `i-z${String(number).padStart(6, '0')}`, selectors: [] })
    }
    const { ports, listed } = listings()
    const { changed, hits } = await revoke(ports, world.admin, {
      handle: 'selector',
      value: SELECTOR,
      reason: 'unspecified',
    })
    expect([changed, hits.more, hits.instances]).toEqual([true, true, []])
    expect(listed.filter(([table]) => table === 'Instance')).toHaveLength(1)
  })
})
