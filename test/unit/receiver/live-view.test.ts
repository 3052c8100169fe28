import { isWritError, WritError } from '#kernel/errors.ts'
import { after, HOUR, MINUTE, SECOND, toRfc3339 } from '#kernel/instant.ts'
import { LiveView, type LiveViewOptions } from '#receiver/index.ts'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventText, FakeFeed } from '../../fakes/feed.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { codeOf } from '../../support/code-of.ts'
import { NOW, taskTokenClaims } from '../../support/tokens.ts'

const LIMIT = 5 * MINUTE
const jti = taskTokenClaims().id

let clock: FakeClock
let feed: FakeFeed
let view: LiveView
let failures: string[]

function liveView(changes: Partial<LiveViewOptions> = {}): LiveView {
  failures = []
  const onFailure = (error: unknown): void => {
    failures.push(isWritError(error) ? error.code : String(error))
  }
  view = new LiveView({ openFeed: feed.open, clock, pause: 1, onFailure, ...changes })
  return view
}

beforeEach(() => {
  clock = new FakeClock(NOW)
  feed = new FakeFeed()
})

afterEach(() => {
  view.close()
})

const isDead = (id = jti): boolean => view.current(LIMIT).token(taskTokenClaims({ id }), 'example.org') !== null
const soon = { timeout: 10_000, interval: 2 }
const eventually = (check: () => boolean): Promise<void> => vi.waitUntil(check, soon).then(() => undefined)
const stateOf = (limit = LIMIT): string => codeOf(() => view.current(limit))

describe('a live view of the feed', () => {
  it('promise 2: is none before everything in force has been heard', async () => {
    feed.isReadySaid = false
    feed.say('token', { jti })
    void liveView().start()
    await eventually(() => feed.connections === 1)
    feed.heartbeat()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(stateOf()).toBe('RECEIVER_VIEW_MISSING')
    expect(view.age).toBe(Number.POSITIVE_INFINITY)
    feed.raw(eventText('ready', { position: 1, sequence: 1 }))
    await view.start()
    expect(isDead()).toBe(true)
  })

  it('promise 6: knows what is said from the moment when it is said', async () => {
    await liveView().start()
    expect(isDead()).toBe(false)
    feed.say('token', { jti })
    await eventually(isDead)
  })

  it('promise 6: denies when it is older than its limit, five minutes or less', async () => {
    await liveView().start()
    clock.advance(10 * SECOND)
    expect(stateOf(10 * SECOND)).toBe('ACCEPTED')
    expect(stateOf(9 * SECOND)).toBe('RECEIVER_VIEW_STALE')
    clock.advance(LIMIT - 10 * SECOND)
    expect(stateOf()).toBe('ACCEPTED')
    clock.advance(1)
    expect(stateOf()).toBe('RECEIVER_VIEW_STALE')
    feed.heartbeat()
    await eventually(() => view.age === 0)
    expect(stateOf(SECOND)).toBe('ACCEPTED')
  })

  it('promise 6: is not made young by a wall clock that is set back, nor by octets that say nothing', async () => {
    await liveView({ silence: 2 * LIMIT }).start()
    clock.advance(LIMIT + 1)
    clock.set(after(NOW, -HOUR))
    feed.raw(': a comment\n\n')
    feed.raw('event: heart')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(stateOf()).toBe('RECEIVER_VIEW_STALE')
  })

  it('promise 6: is not made young by what waited to be read while the process stood still', async () => {
    await liveView().start()
    feed.refusal = new WritError('SERVER_UNREACHABLE', 'It is gone since.')
    clock.advance(LIMIT + 1)
    feed.heartbeat()
    await eventually(() => failures.includes('RECEIVER_FEED_SILENT'))
    expect(stateOf()).toBe('RECEIVER_VIEW_STALE')
    feed.refusal = null
    await eventually(() => stateOf() === 'ACCEPTED')
  })

  it('goes on where it broke off, and is not young again before it has caught up', async () => {
    await liveView({ silence: 2 * LIMIT }).start()
    feed.say('token', { jti: 'tok_a' })
    feed.heartbeat()
    await eventually(() => isDead('tok_a'))
    feed.isReadySaid = false
    feed.drop()
    await eventually(() => feed.requests.length === 2)
    expect(feed.requests).toEqual([undefined, '1'])
    clock.advance(LIMIT + 1)
    feed.say('token', { jti: 'tok_b' })
    await eventually(() => view.known?.token(taskTokenClaims({ id: 'tok_b' }), 'example.org') === 'jti')
    expect(stateOf()).toBe('RECEIVER_VIEW_STALE')
    feed.raw(eventText('ready', { position: 2, sequence: 1 }))
    await eventually(() => stateOf() === 'ACCEPTED')
    expect(isDead('tok_a')).toBe(true)
    expect(failures).toEqual(['RECEIVER_FEED_ENDED'])
  })

  it('misses nothing of a position that it has heard in part', async () => {
    await liveView().start()
    feed.say('token', { jti: 'tok_a' }, 5)
    await eventually(() => isDead('tok_a'))
    feed.drop('ended')
    await eventually(() => feed.requests.length === 2)
    expect(feed.requests[1]).toBe('0')
  })

  it.each([
    [
      'an unknown kind of cutoff',
      'id: 1\nevent: cutoff\ndata: {"kind":"moon","value":"x","before":"2026-11-20T10:00:00Z"}\n\n',
    ],
    ['a member that is missing', 'id: 1\nevent: token\ndata: {}\n\n'],
    ['what is no JSON', 'id: 1\nevent: token\ndata: {"jti":\n\n'],
    ['a member twice', 'id: 1\nevent: token\ndata: {"jti":"a","jti":"b"}\n\n'],
    ['a position that is no number', `id: one\nevent: token\ndata: {"jti":"a"}\n\n`],
    ['a line without end', `data: ${'x'.repeat(20_000)}`],
    ['an event without end', `data: ${'x'.repeat(10_000)}\n`.repeat(7)],
    [
      'an impossible date',
      'id: 1\nevent: cutoff\ndata: {"kind":"trust-domain","value":"x","before":"2026-02-31T10:00:00Z"}\n\n',
    ],
  ])('begins anew after %s, and denies when that takes longer than the limit', async (_name, text) => {
    await liveView().start()
    feed.isReadySaid = false
    feed.raw(text)
    await eventually(() => feed.requests.length === 2)
    expect(feed.requests).toEqual([undefined, undefined])
    expect(failures).toEqual(['RECEIVER_FEED_MALFORMED'])
    expect(stateOf()).toBe('ACCEPTED')
    feed.heartbeat()
    clock.advance(LIMIT + 1)
    expect(stateOf()).toBe('RECEIVER_VIEW_STALE')
  })

  it('begins anew when positions go back', async () => {
    await liveView().start()
    feed.say('token', { jti: 'tok_a' }, 7)
    feed.say('token', { jti: 'tok_b' }, 6)
    await eventually(() => feed.requests.length === 2)
    expect(failures).toEqual(['RECEIVER_FEED_DISORDERED'])
    expect(feed.requests[1]).toBeUndefined()
    await eventually(() => isDead('tok_a') && isDead('tok_b'))
  })

  it('begins anew when a heartbeat has fallen behind what was said', async () => {
    await liveView().start()
    feed.say('token', { jti: 'tok_a' }, 7)
    feed.raw(eventText('heartbeat', { position: 6, at: toRfc3339(NOW) }))
    await eventually(() => feed.requests.length === 2)
    expect(failures).toEqual(['RECEIVER_FEED_DISORDERED'])
  })

  it('begins anew when the server does not take its position', async () => {
    await liveView().start()
    feed.heartbeat()
    await eventually(() => view.age === 0)
    feed.refusal = new WritError('FEED_POSITION_INVALID', 'no such position')
    feed.drop()
    await eventually(() => feed.requests.length > 2)
    feed.refusal = null
    await eventually(() => feed.connections === 1)
    expect(feed.requests[1]).toBe('0')
    expect(feed.requests.at(-1)).toBeUndefined()
  })

  it('lets a suspended agent in again when a view that is new says so, and not before', async () => {
    const agent = 'spiffe://example.org/agent/classifier'
    await liveView().start()
    feed.say('agent', { spiffe_id: agent, state: 'suspended' })
    await eventually(isDead)
    feed.script = () => ''
    feed.raw('id: x\nevent: token\ndata: {}\n\n')
    await eventually(() => feed.requests.length === 2)
    expect(isDead()).toBe(true)
    feed.raw(eventText('ready', { position: 9, sequence: 1 }))
    await eventually(() => !isDead())
  })

  describe('that goes on where the feed cannot', () => {
    const agent = 'spiffe://example.org/agent/classifier'

    async function takenUp(): Promise<void> {
      await liveView().start()
      feed.say('agent', { spiffe_id: agent, state: 'suspended' })
      await eventually(isDead)
      clock.advance(1)
      feed.heartbeat()
      await eventually(() => view.age === 0)
      feed.script = () => ''
      feed.drop()
      await eventually(() => feed.requests.length === 2)
      expect(feed.requests[1]).toBe('1')
      feed.raw(eventText('view', { position: 9 }))
    }

    it('keeps nothing of what is over by then, and drops it no sooner than the new view is complete', async () => {
      await takenUp()
      feed.raw(eventText('token', { jti: 'tok_a' }, 9))
      await eventually(() => view.known?.token(taskTokenClaims({ id: 'tok_a' }), 'other') === 'jti')
      expect(isDead()).toBe(true)
      feed.raw(eventText('ready', { position: 9, sequence: 1 }))
      await eventually(() => !isDead())
      expect(isDead('tok_a')).toBe(true)
    })

    it('asks for the same again when the new view breaks off', async () => {
      await takenUp()
      feed.drop()
      await eventually(() => feed.requests.length === 3)
      expect(feed.requests[2]).toBe('1')
      expect(isDead()).toBe(true)
    })

    it('hears all that is said while one new view after the other comes', async () => {
      await takenUp()
      feed.raw(eventText('ready', { position: 9, sequence: 1 }))
      await eventually(() => !isDead())
      feed.raw(eventText('view', { position: 10 }))
      feed.raw(eventText('token', { jti }, 10))
      await eventually(isDead)
    })
  })

  it('passes over events that it does not know', async () => {
    await liveView().start()
    feed.raw('id: 1\nevent: fanfare\ndata: {"loud":true}\n\n')
    feed.raw(eventText('token', { jti }, 2))
    await eventually(isDead)
    expect(failures).toEqual([])
  })

  it('gives up a connection that says nothing', async () => {
    feed.script = () => ''
    void liveView({ silence: 20 }).start()
    await eventually(() => feed.requests.length > 2)
    expect(failures[0]).toBe('RECEIVER_FEED_SILENT')
    expect(feed.connections).toBeLessThanOrEqual(1)
  })

  it('gives up a connection that never opens', async () => {
    void liveView({ silence: 20, openFeed: () => new Promise(() => undefined) }).start()
    await eventually(() => failures.includes('RECEIVER_FEED_SILENT'))
  })

  it('is unusable when there is more than it can remember', async () => {
    void liveView({ most: 3 }).start()
    for (let number = 0; number < 4; number++) feed.say('token', { jti: `tok_${String(number)}` })
    await eventually(() => failures.includes('RECEIVER_FEED_TOO_LARGE'))
    clock.advance(LIMIT + 1)
    expect(['RECEIVER_VIEW_MISSING', 'RECEIVER_VIEW_STALE']).toContain(stateOf())
  })

  it('forgets what has run out', async () => {
    await liveView().start()
    feed.say('token', { jti })
    feed.say('certificate', { serial: '0a' })
    feed.say('cutoff', { kind: 'trust-domain', value: 'example.org', before: toRfc3339(NOW) })
    await eventually(() => view.known?.size === 3)
    clock.advance(11 * MINUTE)
    feed.say('token', { jti: 'tok_b' })
    await eventually(() => view.known?.token(taskTokenClaims({ id: 'tok_b' }), 'other') === 'jti')
    expect(view.known?.size).toBe(3)
    clock.advance(26 * HOUR)
    feed.say('token', { jti: 'tok_c' })
    await eventually(() => view.known?.size === 1)
  })

  it('has trust fetched when the feed says that it has changed', async () => {
    const reached: number[] = []
    const trust = {
      reach: (sequence: number) => {
        reached.push(sequence)
        return Promise.resolve()
      },
    }
    await liveView({ trust }).start()
    feed.say('trust', { sequence: 4 })
    await eventually(() => reached.length === 2)
    expect(reached).toEqual([1, 4])
  })

  it('has trust fetched when the feed breaks off, which may be because of our own authority', async () => {
    const reached: number[] = []
    const trust = { reach: (sequence: number) => Promise.resolve(void reached.push(sequence)) }
    await liveView({ trust }).start()
    feed.refusal = new TypeError('away')
    feed.drop()
    await eventually(() => feed.requests.length > 3)
    expect(reached).toEqual([1, 0])
  })

  it('tells whoever listens, until they do no more', async () => {
    await liveView().start()
    let told = 0
    const stop = view.subscribe(() => told++)
    feed.heartbeat()
    feed.say('token', { jti: 'tok_a' })
    await eventually(() => told === 1)
    stop()
    feed.say('token', { jti: 'tok_b' })
    await eventually(() => isDead('tok_b'))
    expect(told).toBe(1)
  })

  it('refuses limits that are none', () => {
    for (const changes of [{ silence: 0 }, { pause: Number.NaN }, { most: -1 }]) {
      expect(codeOf(() => liveView(changes))).toBe('RECEIVER_OPTIONS_INVALID')
    }
    liveView()
  })
})
