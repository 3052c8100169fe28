import { beforeEach, describe, expect, it } from 'vitest'
import { AuthoritySet, CurrentAuthorities } from '#authority/index.ts'
import { statusReference, STATUS_LIST_SIZE } from '#flows/status-list/address.ts'
import { StatusLists } from '#flows/status-list/status-lists.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import { readStatusList, type StatusList } from '#jwt/index.ts'
import { after, HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import type { CutoffKind } from '#revocation/index.ts'
import { codeOf, codeOfAsync } from '../support/code-of.ts'
import { ISSUER, spkiHashOf, TaskHouse, type Copy } from '../support/task-house.ts'
import { newTestKey } from '../support/keys.ts'
import { tokenAuthorities } from '../support/token-authorities.ts'

describe('the status lists', () => {
  let house: TaskHouse
  let bot: Copy
  let lists: StatusLists

  beforeEach(async () => {
    house = await TaskHouse.build()
    bot = house.addAgent('invoice-bot')
    lists = new StatusLists(house.ports)
  })

  async function token(copy = bot): Promise<{ text: string; jti: string; index: number; uri: string }> {
    const { id } = await house.open(copy)
    const { accessToken: text } = await house.start(copy, id)
    const { id: jti, status } = house.claims(text)
    return { text, jti, index: status?.index ?? -1, uri: status?.uri ?? '' }
  }

  async function list(of = lists, number = 0): Promise<StatusList> {
    const { token: jwt } = await of.get(String(number))
    const keys = house.ports.authorities.current().keySet('status')
    return readStatusList(jwt, keys, { uri: `${ISSUER}/status/${String(number)}`, now: house.clock.now() })
  }

  it('SL-3 every token has an index of its own in a list, also when it is issued anew', async () => {
    const tokens = [await token(), await token(), await token()]
    expect(tokens.map(({ uri }) => uri)).toEqual(Array.from({ length: 3 }, () => `${ISSUER}/status/0`))
    expect(new Set(tokens.map(({ index }) => index)).size).toBe(3)
    const rows = house.store.all('TaskToken')
    expect(rows.map(({ statusIndex }) => statusIndex)).toEqual(tokens.map(({ index }) => index))
  })

  it('SL-3 the index goes on in the next list when one is full', () => {
    const last = STATUS_LIST_SIZE - 1
    expect(statusReference(ISSUER, last)).toEqual({ index: last, uri: `${ISSUER}/status/0` })
    expect(statusReference(ISSUER, last + 1)).toEqual({ index: 0, uri: `${ISSUER}/status/1` })
  })

  it('SL-1 says 1 of what was revoked and 0 of the rest', async () => {
    const [dead, living] = [await token(), await token()]
    expect((await list()).statusAt(dead.index)).toBe(0)
    await house.cutOff('token', dead.jti, after(house.clock.now(), MINUTE))
    house.pass(1)
    const after1 = await list()
    expect([after1.statusAt(dead.index), after1.statusAt(living.index)]).toEqual([1, 0])
  })

  const CUTS: readonly (readonly [CutoffKind, (copy: Copy, jti: string, task: string) => string])[] = [
    ['trust-domain', () => 'example.org'],
    ['authority', () => 'aut_x509'],
    ['node', () => 'nod_1'],
    ['agent', (copy) => copy.agent],
    ['actor', (copy) => copy.agent],
    ['instance', (copy) => copy.instance],
    ['lineage', (copy) => `lin_${copy.instance.slice(2)}`],
    ['spki', (copy) => spkiHashOf(copy.serial)],
    ['evidence', (copy) => copy.instance.slice(2).padStart(64, '0')],
    ['selector', () => 'join_token:x'],
    ['task', (_copy, _jti, task) => task],
    ['subject', (copy) => copy.spiffeId],
    ['token', (_copy, jti) => jti],
  ]

  it.each(CUTS)('SL-1 a cutoff of the kind %s makes its tokens invalid, and no later one', async (kind, valueOf) => {
    const old = await token()
    house.pass(2)
    const task = house.store.all('TaskToken')[0]?.task ?? ''
    await house.cutOff(kind, valueOf(bot, old.jti, task))
    house.pass(2)
    expect((await list()).statusAt(old.index)).toBe(1)
    if (kind === 'token' || kind === 'task') return
    const renewed = house.addCertificate(bot)
    const next = await token(renewed)
    house.pass(16)
    const now = await list()
    expect([now.statusAt(old.index), now.statusAt(next.index)]).toEqual([1, 0])
    // The same for a replica that has just started.
    const anew = await list(new StatusLists(house.ports))
    expect([anew.statusAt(old.index), anew.statusAt(next.index)]).toEqual([1, 0])
  })

  it('SL-1 a certificate that is revoked alone takes its tokens with it, here and after a restart', async () => {
    const old = await token()
    await list()
    await revokeAlone(bot.serial)
    house.pass(1)
    expect((await list()).statusAt(old.index)).toBe(1)
    expect((await list(new StatusLists(house.ports))).statusAt(old.index)).toBe(1)
  })

  async function revokeAlone(serial: string): Promise<void> {
    const now = house.clock.now()
    await house.change('Certificate', { serial }, { state: 'revoked', revokedAt: now, reason: 'superseded' })
    const leaf = { type: 'test.revoked', actor: 'system', object: 'test', decision: 'permit' } as const
    await house.store.commit({
      lock: 'none',
      guards: [],
      changes: [],
      leaf: { ...leaf, inputDigest: null, policy: null, commitments: {} },
      events: [{ type: 'credential.revoked', data: { handle: 'certificate', value: serial, certificates: [serial] } }],
    })
    await house.store.sequence('Outbox')
  }

  it('SL-1 another replica that started earlier sees what was revoked here within a second', async () => {
    const { jti, index } = await token()
    const elsewhere = new StatusLists(house.ports)
    expect((await list(elsewhere)).statusAt(index)).toBe(0)
    await house.cutOff('token', jti, after(house.clock.now(), MINUTE))
    house.pass(1)
    expect((await list(elsewhere)).statusAt(index)).toBe(1)
  })

  it('SL-1 a cutoff that was committed late, with an earlier time, is not missed', async () => {
    const { jti, index } = await token()
    house.pass(20)
    await list()
    const createdAt = after(house.clock.now(), -10 * SECOND)
    const cut = { kind: 'token', value: jti, before: after(createdAt, MINUTE), reason: 'test' } as const
    house.store.seed('Cutoff', { key: `token:${jti}`, ...cut, createdBy: 'system', createdAt })
    house.pass(1)
    expect((await list()).statusAt(index)).toBe(1)
  })

  /** By a replica of another clock: everything that it writes is as old as that. */
  async function revokeBehind(jti: string, length: number): Promise<void> {
    const now = house.clock.now()
    house.clock.set(after(now, -length))
    const request = { handle: 'token', value: jti, reason: 'unspecified' } as const
    await revoke(house.ports, house.principal('local:1000', 'operator'), request)
    house.clock.set(now)
    await house.store.sequence('Outbox')
  }

  it.each([90 * SECOND, HOUR])(
    'SL-1 what a replica has revoked whose clock is %d ms behind is not missed, here and after a restart',
    async (length) => {
      house.clock.advance(2 * HOUR)
      const { jti, index } = await token(house.addCertificate(bot))
      expect((await list()).statusAt(index)).toBe(0)
      house.pass(20)
      await revokeBehind(jti, length)
      house.pass(1)
      expect((await list()).statusAt(index)).toBe(1)
      expect((await list(new StatusLists(house.ports))).statusAt(index)).toBe(1)
    },
  )

  it('is signed only when something has changed, or the last one is old, each time with a leaf', async () => {
    const { jti } = await token()
    const first = await lists.get('0')
    house.pass(1)
    expect((await lists.get('0')).token).toBe(first.token)
    await house.cutOff('token', jti, after(house.clock.now(), MINUTE))
    house.pass(1)
    const second = await lists.get('0')
    expect(second.token).not.toBe(first.token)
    house.pass(14)
    expect(await lists.get('0')).toMatchObject({ token: second.token, maxAge: 1 })
    house.pass(2)
    expect((await lists.get('0')).maxAge).toBe(15)
    expect(house.leaves().filter((leaf) => leaf === 'status-list.published permit')).toHaveLength(3)
  })

  it('one signature serves all who ask at the same time', async () => {
    await token()
    const answers = await Promise.all(Array.from({ length: 20 }, () => lists.get('0')))
    expect(new Set(answers.map((answer) => answer.token)).size).toBe(1)
    expect(house.leaves().filter((leaf) => leaf.startsWith('status-list'))).toHaveLength(1)
  })

  it('SL-2 the last list is served while the signer is away, and not a moment past its end', async () => {
    const { index } = await token(house.addAgent('patient-bot', { tokenLifetime: 5 * MINUTE }))
    const kept = await lists.get('0')
    const trustDomain = house.ports.profile.trustDomain
    const { authorities } = house.ports
    if (!(authorities instanceof CurrentAuthorities)) throw new TypeError('nobody can replace them')
    const { records } = tokenAuthorities(trustDomain, house.clock.now())
    authorities.replace(AuthoritySet.of({ trustDomain, records, signers: new Map() }))
    house.pass(179)
    expect((await lists.get('0')).token).toBe(kept.token)
    expect((await list()).statusAt(index)).toBe(0)
    house.pass(1)
    expect(await codeOfAsync(() => lists.get('0'))).toBe('AUTHORITY_NOT_ACTIVE')
  })

  it('SL-2 what a key has signed that is tainted now is not served any more', async () => {
    await token()
    const kept = await lists.get('0')
    const { authorities, profile } = house.ports
    if (!(authorities instanceof CurrentAuthorities)) throw new TypeError('nobody can replace them')
    const { trustDomain } = profile
    const tainted = tokenAuthorities(trustDomain, house.clock.now()).records.map((one) =>
      one.kind === 'status' ? { ...one, state: 'tainted' as const } : one,
    )
    const next = newTestKey()
    const { signer, kid } = next
    const active = tainted.find(({ kind }) => kind === 'access-token')
    if (active === undefined) throw new TypeError('there is none')
    const more = { id: 'aut_next', kind: 'status', publicKey: signer.publicKey, keyReference: 'next', kid } as const
    const records = [...tainted, { ...active, ...more }]
    house.store.seed('Authority', { ...active, ...more })
    authorities.replace(AuthoritySet.of({ trustDomain, records: tainted, signers: new Map() }))
    expect(await codeOfAsync(() => lists.get('0'))).toBe('AUTHORITY_NOT_ACTIVE')
    authorities.replace(AuthoritySet.of({ trustDomain, records, signers: new Map([['aut_next', signer]]) }))
    expect((await lists.get('0')).token).not.toBe(kept.token)
    await list()
  })

  it('SL-2 the last list is served while the store is away', async () => {
    await token()
    const kept = await lists.get('0')
    house.store.failReads = true
    house.pass(60)
    expect((await lists.get('0')).token).toBe(kept.token)
    house.pass(120)
    expect(await codeOfAsync(() => lists.get('0'))).toBe('STORE_UNAVAILABLE')
  })

  it.each(['1', '7', '-1', '00', 'x', '', '68719476736', '99999999999999999999'])('knows no list %j', async (name) => {
    await token()
    expect(await codeOfAsync(() => lists.get(name))).toBe('STATUS_LIST_UNKNOWN')
  })

  it('knows no list before the first token, nor once the last one has run out', async () => {
    expect(await codeOfAsync(() => lists.get('0'))).toBe('STATUS_LIST_UNKNOWN')
    await token()
    await lists.get('0')
    house.pass(181)
    expect(await codeOfAsync(() => lists.get('0'))).toBe('STATUS_LIST_UNKNOWN')
  })

  it('SL-2 an index that the list does not reach is refused', async () => {
    await token()
    const read = await list()
    expect(codeOf(() => read.statusAt(STATUS_LIST_SIZE))).toBe('STATUS_LIST_INDEX_OUT_OF_BOUNDS')
  })
})
