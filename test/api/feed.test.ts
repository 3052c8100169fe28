import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FEED_FRAMES, type FeedEvent } from '#wire/index.ts'
import { FeedReader, type FeedAsk } from '../support/feed-reader.ts'
import { BILLING, TestHouse, type Enrolled } from '../support/server.ts'

const MAIL = 'https://mail.example.org'
const id = (agent: string): string => `spiffe://example.org/agent/${agent}`

let house: TestHouse
let receiver: Enrolled
const readers: FeedReader[] = []

async function listen(as: Enrolled | null = receiver, more: FeedAsk = {}): Promise<FeedReader> {
  const reader = await FeedReader.open(house.port, { ...(as === null ? {} : { as: as.identity }), ...more })
  readers.push(reader)
  return reader
}

const closeAll = (): void => {
  for (const reader of readers.splice(0)) reader.close()
}

async function addAgent(name: string, ...audiences: readonly string[]): Promise<void> {
  const permissions = audiences.map((audience) => ({ audience, actions: ['read'] }))
  const { status, body } = await house.admin('/v1/agents', { json: { name, owner: 'finance', permissions } })
  expect([status, body]).toEqual([201, expect.anything()])
}

const addResource = (audience: string, ...spiffeIds: readonly string[]) =>
  house.admin('/v1/resources', {
    json: { audience, owner: 'finance', spiffe_ids: spiffeIds, actions: ['read', 'pay'] },
  })

const revoke = (handle: string, value: string, reason = 'unspecified') =>
  house.admin('/v1/revocations', { json: { handle, value, reason } })

const serialOf = async (bot: Enrolled): Promise<string> => {
  const { body } = await house.admin('/v1/certificates?limit=1000')
  const rows = body['items'] as readonly Record<string, unknown>[]
  return String(rows.find(({ spiffe_id: one }) => one === bot.svid.spiffe_id)?.['serial'])
}

const certificateFrame = async (reader: FeedReader, bot: Enrolled): Promise<void> => {
  const serial = await serialOf(bot)
  await reader.until(({ event, data }) => event === 'certificate' && data['serial'] === serial)
}

beforeAll(async () => {
  house = await TestHouse.start({ limits: { max_streams: { identity: 3, all: 5 } } })
  await addResource(BILLING, id('billing'))
  await addResource(MAIL, id('mail'))
  await addAgent('billing')
  await addAgent('mail')
  await addAgent('bot', BILLING)
  await addAgent('other', MAIL)
  receiver = await house.enroll('billing')
})
afterAll(async () => {
  closeAll()
  await house.stop()
})

describe('GET /v1/feed', () => {
  it('begins with what is in force and ready, and tells of a revocation at once, in frames of the schema', async () => {
    const [dead, living] = [await house.enroll('bot'), await house.enroll('bot')]
    await revoke('instance', dead.svid.instance)
    const reader = await listen()
    expect(reader.status).toBe(200)
    expect(reader.response.headers['content-type']).toBe('text/event-stream')
    await reader.ready()
    expect(reader.of('certificate').map(({ data }) => data['serial'])).toContain(await serialOf(dead))
    await revoke('instance', living.svid.instance)
    await certificateFrame(reader, living)
    for (const { event, data } of reader.heard) {
      expect(FEED_FRAMES[event as FeedEvent].safeParse(data)).toMatchObject({ success: true })
    }
    expect(reader.heard.at(-1)?.id).toMatch(/^\d+$/)
    closeAll()
  })

  it('tells a receiver nothing of agents that may not call it', async () => {
    const [foreign, own] = [await house.enroll('other'), await house.enroll('bot')]
    const reader = await listen()
    await reader.ready()
    await revoke('instance', foreign.svid.instance)
    await house.admin('/v1/agents/other/suspend', { json: {} })
    await house.admin('/v1/agents/other/resume', { json: {} })
    await revoke('instance', own.svid.instance)
    await certificateFrame(reader, own)
    expect(reader.of('certificate').map(({ data }) => data['serial'])).not.toContain(await serialOf(foreign))
    expect(JSON.stringify(reader.heard)).not.toContain('/agent/other')
    closeAll()
  })

  it('goes on behind the id of an event, and sends what came since', async () => {
    const first = await listen()
    await first.ready()
    // Whatever other tests did before has its position when this has one.
    await house.admin('/v1/agents/bot/suspend', { json: {} })
    await first.until(({ event, data }) => event === 'agent' && data['state'] === 'suspended')
    const { id: lastEventId } = await first.until(({ event, id }) => event === 'heartbeat' && id !== null)
    closeAll()
    await house.admin('/v1/agents/bot/resume', { json: {} })
    const second = await listen(receiver, { lastEventId: lastEventId ?? '' })
    await second.until(({ event, data }) => event === 'agent' && data['state'] === 'active')
    expect(second.of('view')).toEqual([])
    closeAll()
  })

  it.each(['x', '-2', '01', '1e3', '999999999', '99999999999999999999', ' '])(
    'refuses the forged or future id %j',
    async (lastEventId) => {
      const reader = await listen(receiver, { lastEventId })
      expect(reader.status).toBe(400)
      expect((await reader.problem())['code']).toBe('FEED_POSITION_INVALID')
    },
  )

  it('is for receivers only', async () => {
    const [bot, nobody] = [await listen(await house.enroll('bot')), await listen(null)]
    expect([bot.status, (await bot.problem())['code']]).toEqual([403, 'FEED_NOT_REGISTERED'])
    expect([nobody.status, (await nobody.problem())['code']]).toEqual([401, 'AUTHENTICATION_REQUIRED'])
  })

  it('has a heartbeat every five seconds, by which a reader can go on as well', async () => {
    const reader = await listen()
    const ready = await reader.ready()
    const beat = await reader.until(({ event }) => event === 'heartbeat')
    expect(beat.at - ready.at).toBeLessThan(10_000)
    expect(Number(beat.id)).toBeGreaterThanOrEqual(Number(ready.id))
    closeAll()
  })

  it('gives one identity as many streams as may be, and everybody together as many as may be', async () => {
    await new Promise((resolve) => setTimeout(resolve, 100))
    const open = await Promise.all([1, 2, 3].map(() => listen()))
    expect(open.map(({ status }) => status)).toEqual([200, 200, 200])
    const more = await listen()
    expect([more.status, (await more.problem())['code']]).toEqual([429, 'STREAMS_EXHAUSTED'])
    const second = await house.enroll('billing')
    expect((await listen(second)).status).toBe(200)
    expect((await listen(second)).status).toBe(200)
    const last = await listen(second)
    expect([last.status, (await last.problem())['code']]).toEqual([429, 'STREAMS_EXHAUSTED'])
    closeAll()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect((await listen()).status).toBe(200)
    closeAll()
  })

  it('ends when the reader is revoked, without telling it anything more', async () => {
    const doomed = await house.enroll('billing')
    const reader = await listen(doomed)
    const bot = await house.enroll('bot')
    await reader.ready()
    const before = reader.heard.length
    await revoke('instance', doomed.svid.instance)
    await revoke('instance', bot.svid.instance)
    await reader.end()
    expect(reader.heard.slice(before)).toEqual([])
    expect(house.logged.join('')).toContain('"code":"CLIENT_CERTIFICATE_REVOKED"')
  })

  it('ends when the reader is suspended', async () => {
    const reader = await listen()
    await reader.ready()
    await house.admin('/v1/agents/billing/suspend', { json: {} })
    await reader.end()
    const refused = await listen()
    expect([refused.status, (await refused.problem())['code']]).toEqual([403, 'AGENT_SUSPENDED'])
    await house.admin('/v1/agents/billing/resume', { json: {} })
    expect((await listen()).status).toBe(200)
    closeAll()
  })

  it('ends when the reader gets another resource, and the next one begins with all that is in force there', async () => {
    const dead = await house.enroll('bot')
    await revoke('instance', dead.svid.instance)
    const first = await listen()
    const { id: lastEventId } = await first.ready()
    await addResource('https://ledger.example.org', id('billing'))
    await first.end()
    const second = await listen(receiver, { lastEventId: lastEventId ?? '' })
    await second.ready()
    expect(second.of('certificate').map(({ data }) => data['serial'])).toContain(await serialOf(dead))
    closeAll()
  })

  it('writes one line to the log for a stream, at its end', async () => {
    const lines = () => house.logged.filter((line) => line.includes('"route":"/v1/feed"') && line.includes('200'))
    await new Promise((resolve) => setTimeout(resolve, 300))
    const before = lines().length
    const reader = await listen()
    await reader.ready()
    expect(lines().length).toBe(before)
    closeAll()
    for (let tries = 0; lines().length === before && tries < 200; tries++) await new Promise((r) => setTimeout(r, 20))
    expect(lines().length).toBe(before + 1)
  })
})

it('a server that stops ends its streams and does not wait for them', async () => {
  const other = await TestHouse.start()
  await other.register('billing')
  const billing = await other.enroll('billing')
  const reader = await FeedReader.open(other.port, { as: billing.identity })
  await reader.ready()
  const began = performance.now()
  await other.stop()
  expect(performance.now() - began).toBeLessThan(8_000)
  await reader.end()
})
