import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { retireAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import { cutoffsSince } from '#flows/revoke/cutoffs-since.ts'
import { Listener, MOST_WAITING } from '#flows/feed/listener.ts'
import { frame } from '#flows/feed/frame.ts'
import { openFeed } from '#flows/feed/open-feed.ts'
import { DAY, HOUR, instant, MINUTE, SECOND } from '#kernel/instant.ts'
import type { RevocationHandle, RevocationReason } from '#revocation/index.ts'
import { subjectDigest } from '#revocation/index.ts'
import { authenticationError } from '#authentication/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { FeedHouse, told } from '../support/feed-house.ts'
import { ISSUER, MAIL, type Copy, spkiHashOf } from '../support/task-house.ts'

const FOR_EVER = '9999-12-31T23:59:59.000Z'
const BOT = 'spiffe://example.org/agent/bot'

let house: FeedHouse
let bot: Copy
let task: string
let token: string

beforeEach(async () => {
  house = await FeedHouse.build()
  bot = house.tasks.addAgent('bot')
  task = (await house.tasks.open(bot)).id
  const { accessToken } = await house.tasks.start(bot, task)
  token = house.tasks.claims(accessToken).id
  house.tasks.pass(1)
  await house.settle()
})
afterEach(async () => {
  await house.close()
  expect(house.failures).toEqual([])
})

const take = (handle: RevocationHandle, value: string, reason: RevocationReason = 'unspecified') =>
  revoke(house.tasks.ports, house.tasks.principal('local:1000', 'admin'), { handle, value, reason })
const admin = () => house.tasks.principal('local:1000', 'admin')
const now = () => new Date(house.tasks.clock.now() + SECOND).toISOString()
const instance = () => house.tasks.store.all('Instance').find(({ id }) => id === bot.instance)
const cut = (kind: string, value: string, before = now()): string => `cutoff ${JSON.stringify({ kind, value, before })}`
const deadCertificate = () => `certificate ${JSON.stringify({ serial: bot.serial })}`
const deadToken = () => `token ${JSON.stringify({ jti: token })}`

/** A selector that the evidence of the bot's instance has, and nobody else's. */
function shown(): string {
  const [selector, row] = ['join_token:default:bot', instance()]
  if (row !== undefined) house.tasks.store.seed('Instance', { ...row, selectors: [selector] })
  return selector
}

const key = (): string => spkiHashOf(bot.serial)

/** What is told of each handle: as it is where a receiver can compare it, spelled out where it cannot. */
const TOLD: readonly (readonly [handle: string, act: () => Promise<unknown>, frames: () => readonly string[]])[] = [
  ['certificate', () => take('certificate', bot.serial), () => [deadCertificate(), deadToken()]],
  ['instance', () => take('instance', bot.instance), () => [deadCertificate(), deadToken()]],
  ['lineage', () => take('lineage', instance()?.lineage ?? ''), () => [deadCertificate(), deadToken()]],
  ['evidence', () => take('evidence', instance()?.evidenceDigest ?? ''), () => [deadCertificate(), deadToken()]],
  ['selector', () => take('selector', shown()), () => [deadCertificate(), deadToken()]],
  ['agent', () => take('agent', 'bot'), () => [cut('agent', BOT)]],
  ['key', () => take('key', key()), () => [cut('spki', key()), deadToken()]],
  ['key, compromised', () => take('key', key(), 'key_compromise'), () => [cut('spki', key(), FOR_EVER), deadToken()]],
  ['task', () => take('task', task), () => [cut('task', task, FOR_EVER)]],
  ['token', () => take('token', token), () => [deadToken()]],
  ['subject', () => take('subject', bot.spiffeId), () => [cut('subject', subjectDigest(ISSUER, bot.spiffeId))]],
  [
    'suspension',
    () => suspendAgent(house.tasks.ports, admin(), { name: 'bot' }),
    () => [`agent ${JSON.stringify({ spiffe_id: BOT, state: 'suspended' })}`, cut('actor', BOT)],
  ],
  ['retirement', () => retireAgent(house.tasks.ports, admin(), { name: 'bot' }), () => [cut('agent', BOT, FOR_EVER)]],
]

describe('promise 6: what a receiver on the feed hears', () => {
  it.each(TOLD)('by %s, as it happens and in the view of whoever comes later', async (_handle, act, frames) => {
    const live = await house.open()
    await act()
    await house.settle()
    expect(told(live.heard)).toEqual(frames())
    const later = await house.open()
    expect([...new Set(told(later.heard))].toSorted()).toEqual([...frames()].toSorted())
  })

  it('nothing of agents, tasks and tokens that are not for its audiences', async () => {
    const permissions = [{ audience: MAIL, actions: ['mail:send'] }]
    const mailer = house.tasks.addAgent('mailer', { permissions })
    const authority = [{ type: 'task', resource: MAIL, actions: ['mail:send'] }] as const
    const other = await house.tasks.open(mailer, { authority })
    const live = await house.open()
    await take('task', other.id)
    await take('subject', mailer.spiffeId)
    await take('instance', mailer.instance)
    await suspendAgent(house.tasks.ports, admin(), { name: 'mailer' })
    await house.settle()
    expect(told(live.heard)).toEqual([])
    expect(told((await house.open()).heard)).toEqual([])
  })

  it('nothing in the whole view that nobody could be shown any more', async () => {
    await take('token', token)
    await take('instance', bot.instance)
    await house.settle()
    house.tasks.clock.advance(8 * MINUTE)
    expect(told((await house.open()).heard)).toEqual([deadCertificate()])
    house.tasks.clock.advance(DAY + 3 * HOUR)
    expect(told((await house.open()).heard)).toEqual([])
  })

  it.each([90 * SECOND, HOUR])(
    'in the whole view also what a replica has revoked whose clock is %d ms behind',
    async (length) => {
      house.tasks.clock.advance(2 * HOUR)
      const copy = house.tasks.addCertificate(bot)
      const { accessToken } = await house.tasks.start(copy, (await house.tasks.open(copy)).id)
      const { id } = house.tasks.claims(accessToken)
      const at = house.tasks.clock.now()
      house.tasks.clock.set(instant(at - length))
      await take('token', id)
      house.tasks.clock.set(at)
      await house.settle()
      house.tasks.clock.advance(2 * MINUTE)
      expect(told((await house.open()).heard)).toContain(`token ${JSON.stringify({ jti: id })}`)
    },
  )

  it('in the whole view also the tokens of a certificate that was revoked alone', async () => {
    const renewed = house.tasks.addCertificate(bot, { renewed: bot.serial })
    await take('certificate', bot.serial, 'superseded')
    await house.settle()
    const heard = told((await house.open()).heard)
    expect(heard).toContain(deadCertificate())
    expect(heard).toContain(deadToken())
    expect(heard.join()).not.toContain(renewed.serial)
  })

  it('nothing twice in the whole view', async () => {
    await take('instance', bot.instance)
    await take('agent', 'bot')
    await house.settle()
    const heard = told((await house.open()).heard)
    expect(heard).toContain(deadToken())
    expect(heard.filter((one) => heard.indexOf(one) !== heard.lastIndexOf(one))).toEqual([])
  })

  it('all frames of one event together, the id on the last of them', async () => {
    const live = await house.open()
    await take('instance', bot.instance)
    await house.settle()
    const frames = live.heard.filter(({ event }) => event === 'certificate' || event === 'token')
    expect(frames.map(({ id }) => id === null)).toEqual([true, false])
  })

  it('of a break-glass approval, whoever it is', async () => {
    const live = await house.open()
    const data = { approval: `apr_${'0'.repeat(26)}`, kind: 'authority.taint', effective_at: house.tasks.clock.now() }
    await house.tasks.store.commit({
      lock: 'none',
      guards: [],
      changes: [],
      leaf: {
        type: 'approval.break_glass',
        actor: 'local:1',
        object: 'approval',
        decision: 'permit',
        inputDigest: null,
        policy: null,
        commitments: {},
      },
      events: [
        { type: 'approval.break_glass', data },
        { type: 'authority.changed', data: { id: 'aut_1', kind: 'x509', state: 'tainted' } },
      ],
    })
    await house.settle()
    expect(live.heard.filter(({ event }) => event === 'announcement')[0]?.data).toMatchObject({
      kind: 'authority.taint',
    })
    expect(live.heard.filter(({ event }) => event === 'trust')).toHaveLength(1)
  })
})

describe('promise 2: a heartbeat', () => {
  it('is not sent while nobody gives positions: the view of a receiver shall grow old', async () => {
    const live = await house.open()
    const beats = () => live.heard.filter(({ event }) => event === 'heartbeat').length
    await take('instance', bot.instance)
    house.tasks.pass(3)
    await house.ports.feed.beat()
    expect(beats()).toBe(0)
    expect(house.lags.at(-1)).toBe(3 * SECOND)
    await house.settle()
    expect(beats()).toBe(1)
  })

  it('that could not be sent is sent within half a second of when somebody gives positions again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const own = await FeedHouse.build()
    try {
      const looks = async (after: number) => {
        const before = own.lags.length
        await vi.advanceTimersByTimeAsync(after)
        return own.lags.slice(before)
      }
      // 1. Something has happened, and nobody gives positions for more than two seconds.
      const copy = own.tasks.addAgent('bot')
      await revoke(own.tasks.ports, own.tasks.principal('local:1000', 'admin'), {
        handle: 'instance',
        value: copy.instance,
        reason: 'unspecified',
      })
      own.tasks.pass(3)
      expect(await looks(5 * SECOND)).toEqual([3 * SECOND])
      expect(await looks(SECOND)).toEqual([3 * SECOND, 3 * SECOND])
      // 2. Somebody does again: one heartbeat, and the next when it is due.
      while ((await own.tasks.store.sequence('Outbox')) > 0);
      expect(await looks(SECOND / 2)).toEqual([0])
      expect(await looks(4.9 * SECOND)).toEqual([])
      expect(await looks(SECOND / 10)).toEqual([0])
    } finally {
      vi.useRealTimers()
      await own.close()
    }
  })

  it('is not sent while the store does not answer', async () => {
    house.tasks.store.failReads = true
    expect(await codeOfAsync(() => house.ports.feed.beat())).toBe('STORE_UNAVAILABLE')
    house.tasks.store.failReads = false
    house.failures.length = 0
  })
})

describe('a stream ends', () => {
  it('when its reader is let in no more, before it is told anything', async () => {
    const again = () => Promise.reject(authenticationError('CLIENT_CERTIFICATE_REVOKED'))
    const live = await house.open(null, again)
    await take('instance', bot.instance)
    await house.tasks.store.sequence('Outbox')
    await house.ports.feed.catchUp()
    expect(await live.over).toBe('CLIENT_CERTIFICATE_REVOKED')
    expect(told(live.heard)).toEqual([])
    live.close()
  })

  it('when its reader takes less than happens', async () => {
    const listener = new Listener(new Set(), -1)
    const text = 'x'.repeat(MOST_WAITING / 2)
    listener.hand({ position: 0, frames: [frame('token', { jti: text }, null)] })
    expect(await listener.next()).toHaveLength(1)
    for (const position of [1, 2]) listener.hand({ position, frames: [frame('token', { jti: text }, null)] })
    expect(await codeOfAsync(() => listener.next())).toBe('FEED_TOO_SLOW')
  })
})

describe('where to begin', () => {
  const open = (lastEventId: string) =>
    openFeed(house.ports, house.tasks.caller(house.receiver), {
      lastEventId,
      again: () => Promise.resolve(house.tasks.caller(house.receiver)),
      signal: new AbortController().signal,
    })

  it('an id from before what is kept begins anew, with everything that is in force', async () => {
    await take('instance', bot.instance)
    await house.settle()
    const [first] = [await house.open()]
    house.tasks.clock.advance(MINUTE)
    await take('agent', 'bot')
    await house.settle()
    await house.tasks.store.purgeOutbox(house.tasks.clock.now())
    const anew = await house.open('0')
    expect(told(anew.heard)).toContain(deadCertificate())
    expect(told(anew.heard)).toContain(cut('agent', BOT))
    expect(anew.heard[0]).toMatchObject({ event: 'view', id: null })
    first.close()
  })

  it('the whole view is announced, and going on is not', async () => {
    await house.settle()
    const [whole, on] = [await house.open(), await house.open('-1')]
    const views = [whole, on].map(({ heard }) => heard.filter(({ event }) => event === 'view').length)
    expect(views).toEqual([1, 0])
    whole.close()
    on.close()
  })

  it.each(['1000000', '-2', 'abc', ''])('the forged or future id %j is refused', async (id) => {
    expect(await codeOfAsync(() => open(id))).toBe('FEED_POSITION_INVALID')
  })
})

it('cutoffs are paged by their moment, also when there are more of one moment than fit a page', async () => {
  const { store, clock } = house.tasks
  const at = clock.now()
  const row = { kind: 'task', before: at, reason: 'x', createdBy: 'x' } as const
  const rows = Array.from({ length: 2500 }, (_, index) => {
    const value = String(index).padStart(5, '0')
    return {
      ...row,
      key: `task:${value}`,
      value,
      createdAt: instant(index < 100 ? at - 1 : index < 2300 ? at : at + 1),
    }
  })
  store.seed('Cutoff', ...rows)
  const found = new Set<string>()
  for await (const page of cutoffsSince(store, instant(at - 1))) for (const { key: one } of page) found.add(one)
  expect(found.size).toBe(2500)
})
