import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fromHex, toBase64Url } from '#kernel/bytes.ts'
import { fromRfc3339 } from '#kernel/instant.ts'
import { parseAnswer, renewalInfo, formatRenewalId } from '#wire/index.ts'
import { fromPem, parseCertificate } from '#x509/index.ts'
import { openStore } from '../../src/adapters/store/index.ts'
import { TestHouse, type Enrolled, type Reply } from '../support/server.ts'
import { FakeClock } from '../fakes/clock.ts'
import { FakeRandom } from '../fakes/random.ts'
import { leafMaker } from '#audit/index.ts'

let house: TestHouse
let bot: Enrolled

beforeAll(async () => {
  house = await TestHouse.start()
  await house.register('bot')
  bot = await house.enroll('bot')
})
afterAll(() => house.stop())

function nameOf(enrolled: Enrolled): string {
  const leaf = parseCertificate(fromPem('CERTIFICATE', enrolled.svid.certificate))
  const authorityKeyId = leaf.extension('authorityKeyIdentifier')?.keyIdentifier ?? new Uint8Array()
  return formatRenewalId({ authorityKeyId, serial: leaf.serial })
}

function windowOf(reply: Reply): { readonly start: number; readonly end: number } {
  const { suggested_window: window } = parseAnswer(renewalInfo, reply.body as never)
  return { start: fromRfc3339(window.start), end: fromRfc3339(window.end) }
}

describe('renewal information', () => {
  it('A12 is there for anybody: a window around half of the life, and when to ask again', async () => {
    const reply = await house.ask(`/v1/renewal-info/${nameOf(bot)}`)
    expect([reply.status, reply.headers['retry-after']]).toEqual([200, '300'])
    const { start, end } = windowOf(reply)
    const renewAt = fromRfc3339(bot.svid.renew_at)
    const life = fromRfc3339(bot.svid.not_after) - fromRfc3339(bot.svid.not_before)
    expect(end).toBeGreaterThan(start)
    expect(Math.abs((start + end) / 2 - renewAt)).toBeLessThan(life * 0.06)
  })

  it('says that a revoked certificate is to be renewed at once', async () => {
    const dead = await house.enroll('bot')
    const revoked = await house.admin('/v1/revocations', {
      json: { handle: 'certificate', value: dead.svid.serial, reason: 'privilege_withdrawn' },
    })
    expect(revoked.status, JSON.stringify(revoked.body)).toBeLessThan(300)
    const { end } = windowOf(await house.ask(`/v1/renewal-info/${nameOf(dead)}`))
    expect(end).toBeLessThan(Date.now())
  })

  it('refuses a name that is none', async () => {
    const reply = await house.ask('/v1/renewal-info/what.ever!')
    expect([reply.status, reply.body['code']]).toEqual([400, 'RENEWAL_ID_MALFORMED'])
  })

  it('knows no certificate under another serial number, nor under another authority', async () => {
    const [authority = '', serial = ''] = nameOf(bot).split('.')
    const other = toBase64Url(fromHex('01'.repeat(17)))
    for (const name of [`${authority}.${other}`, `${other}.${serial}`]) {
      const reply = await house.ask(`/v1/renewal-info/${name}`)
      expect([reply.status, reply.body['code']]).toEqual([404, 'RENEWAL_INFO_NOT_FOUND'])
    }
  })
})

describe('which bundle a client says that it holds', () => {
  const reported = async (instance: string) => {
    const store = await openStore(`file:${house.data}/writ.db`, {
      replica: 'looking',
      clock: new FakeClock(),
      random: new FakeRandom(),
      makeLeaf: leafMaker(new FakeRandom()),
    })
    const row = await store.find('Adoption', { instance })
    await store.close()
    return row
  }
  const asking = (header: string) =>
    house.ask('/v1/tasks', { as: bot.identity, headers: { 'writ-bundle-sequence': header } })

  it('is in the store a few seconds later, with the authority of its certificate', async () => {
    expect((await asking('17')).status).toBe(200)
    await vi.waitFor(async () => {
      expect((await reported(bot.svid.instance))?.sequence).toBe(17)
    }, 20_000)
    const authorities = await house.admin('/v1/authorities')
    const items = authorities.body['items'] as { id: string; kind: string; state: string }[]
    const active = items.find(({ kind, state }) => kind === 'x509' && state === 'active')
    expect((await reported(bot.svid.instance))?.authority).toBe(active?.id)
  })
})
