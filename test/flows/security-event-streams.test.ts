import { beforeEach, describe, expect, it } from 'vitest'
import { revokeToken } from '#flows/revoke-token.ts'
import { expireSets, SETS_EXPIRED } from '#flows/ssf/expire-sets.ts'
import { EVENTS_LOST } from '#flows/ssf/lost-events.ts'
import type { SsfPorts } from '#flows/ssf/ports.ts'
import { setStreamStatus } from '#flows/ssf/stream-status.ts'
import { createStream } from '#flows/ssf/streams.ts'
import { Transmitter } from '#flows/ssf/transmitter.ts'
import { readSecurityEvent, SECURITY_EVENTS, type SecurityEvent } from '#jwt/index.ts'
import { DAY, instant } from '#kernel/instant.ts'
import type { SsfStreamRecord } from '#revocation/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { BILLING, ISSUER, TaskHouse, type Copy } from '../support/task-house.ts'

const WEEK_IN_SECONDS = (7 * DAY) / 1000

let house: TaskHouse
let bot: Copy
let receiver: Copy
let ports: SsfPorts

beforeEach(async () => {
  house = await TaskHouse.build()
  bot = house.addAgent('invoice-bot')
  receiver = house.addAgent('billing', { permissions: [] })
  const push = { check: () => Promise.resolve(), send: () => Promise.resolve(202) }
  ports = { ...house.ports, firsts: house.store, push }
})

const stream = () => createStream(ports, house.caller(receiver), {})
const row = (): SsfStreamRecord | undefined => house.store.all('SsfStream')[0]
const setStatus = (id: string, status: SsfStreamRecord['state']) =>
  setStreamStatus(ports, house.caller(receiver), { id, status, reason: null })

function read(token: string): SecurityEvent {
  const keys = house.ports.authorities.current().keySet('events')
  return readSecurityEvent(token, { keys, issuer: ISSUER, audience: BILLING })
}

const told = (): readonly SecurityEvent[] => house.store.all('SsfSet').map(({ token }) => read(token))

async function revokeOne(): Promise<string> {
  const { id } = await house.open(bot)
  const { accessToken } = await house.start(bot, id)
  await revokeToken(ports, house.caller(bot), { token: accessToken })
  await house.store.sequence('Outbox')
  return house.claims(accessToken).id
}

/** The bot of before has run out; a new copy of it is what goes on. */
async function passAWeek(): Promise<void> {
  house.pass(WEEK_IN_SECONDS + 60)
  bot = house.addCopy(bot.agent)
  receiver = house.addCopy(receiver.agent)
  await revokeOne()
  await house.store.purgeOutbox(instant(house.clock.now() - 7 * DAY))
}

describe('a stream whose place the outbox no longer has', () => {
  it('SS-3 is told so when it is enabled again, and goes on from the present', async () => {
    const { id } = await stream()
    await setStatus(id, 'paused')
    await revokeOne()
    await passAWeek()
    expect(await setStatus(id, 'enabled')).toMatchObject({ state: 'enabled', reason: EVENTS_LOST })
    await new Transmitter(ports).run()
    expect(told().map(({ type, subject, event }) => [type, subject, event])).toEqual([
      [SECURITY_EVENTS.streamUpdated, { format: 'opaque', id }, { status: 'enabled', reason: EVENTS_LOST }],
    ])
    const jti = await revokeOne()
    await new Transmitter(ports).run()
    expect(told().at(-1)?.subject).toEqual({ format: 'jwt_id', iss: ISSUER, jti })
    expect(told()).toHaveLength(2)
  })

  it('is told of nothing lost while the outbox has it all', async () => {
    const { id } = await stream()
    await setStatus(id, 'paused')
    const jti = await revokeOne()
    expect(await setStatus(id, 'enabled')).toMatchObject({ reason: null })
    await new Transmitter(ports).run()
    expect(told().map(({ subject }) => subject['jti'])).toEqual([jti])
  })

  it('is told so also when it was enabled all the time, and nobody followed the outbox', async () => {
    const { id } = await stream()
    await revokeOne()
    await passAWeek()
    await new Transmitter(ports).run()
    expect(told().map(({ type }) => type)).toEqual([SECURITY_EVENTS.streamUpdated])
    expect(row()).toMatchObject({ id, state: 'enabled', reason: EVENTS_LOST })
  })

  it('has not lost its place by being told nothing for a week', async () => {
    await stream()
    const transmitter = new Transmitter(ports)
    await transmitter.run()
    house.pass(WEEK_IN_SECONDS - 60)
    bot = house.addCopy(bot.agent)
    const { id } = await house.open(bot)
    await house.start(bot, id)
    await house.store.sequence('Outbox')
    await transmitter.run()
    house.pass(120)
    await house.store.purgeOutbox(instant(house.clock.now() - 7 * DAY))
    await new Transmitter(ports).run()
    expect([told(), row()?.reason]).toEqual([[], null])
  })
})

describe('events that nobody acknowledges', () => {
  it('SS-3 are dropped after seven days, and their stream is paused and says why', async () => {
    const { id } = await stream()
    await revokeOne()
    await new Transmitter(ports).run()
    house.pass(WEEK_IN_SECONDS - 1)
    expect(await expireSets(ports)).toBe(0)
    house.pass(2)
    expect(await expireSets(ports)).toBe(1)
    expect(row()).toMatchObject({ state: 'paused', reason: SETS_EXPIRED })
    expect(told().map(({ type, event }) => [type, event])).toEqual([
      [SECURITY_EVENTS.streamUpdated, { status: 'paused', reason: SETS_EXPIRED }],
    ])
    expect(house.leaves()).toContain('security-event.expired permit')
    expect(await expireSets(ports)).toBe(0)
    receiver = house.addCopy(receiver.agent)
    await passAWeek()
    expect(await setStatus(id, 'enabled')).toMatchObject({ reason: EVENTS_LOST })
  })

  it('are dropped in a stream that is stopped already, which stays as it is', async () => {
    const { id } = await stream()
    await revokeOne()
    await new Transmitter(ports).run()
    await setStatus(id, 'disabled')
    house.pass(WEEK_IN_SECONDS + 1)
    expect(await expireSets(ports)).toBe(1)
    expect([row()?.state, told()]).toEqual(['disabled', []])
  })

  it('stay when the store fails, and the stream with them', async () => {
    await stream()
    await revokeOne()
    await new Transmitter(ports).run()
    house.pass(WEEK_IN_SECONDS + 1)
    house.store.fail = { when: 'before', commit: house.store.commits + 2 }
    await expireSets(ports).catch(() => undefined)
    expect([row()?.state, told().length]).toEqual(['enabled', 1])
  })
})

describe('the number of streams of a receiver', () => {
  it('is never above eight, however many are asked for at once', async () => {
    const codes = await Promise.all(Array.from({ length: 12 }, () => codeOfAsync(stream)))
    const made = house.store.all('SsfStream').length
    expect(made).toBeLessThanOrEqual(8)
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(made)
    expect(new Set(codes)).toEqual(new Set(['ACCEPTED', 'SSF_STREAMS_TOO_MANY']))
  })
})
