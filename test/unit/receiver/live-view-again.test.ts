import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { HOUR, SECOND } from '#kernel/instant.ts'
import { LiveView } from '#receiver/index.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { FakeFeed } from '../../fakes/feed.ts'

let clock: FakeClock
let feed: FakeFeed
let view: LiveView

beforeEach(async () => {
  clock = new FakeClock()
  feed = new FakeFeed()
  // Nobody would live to see the end of that pause.
  view = new LiveView({ openFeed: feed.open, clock, silence: HOUR, pause: HOUR })
  await view.start()
})
afterEach(() => {
  view.close()
})

const eventually = (check: () => boolean) => vi.waitUntil(check, { timeout: 10_000, interval: 2 })

describe('promise 6: a connection that ends, as when the certificate does that it was opened with', () => {
  it('is followed by another one at once', async () => {
    clock.advance(5 * SECOND)
    feed.drop()
    await eventually(() => feed.requests.length === 2)
    clock.advance(5 * SECOND)
    feed.drop()
    await eventually(() => feed.requests.length === 3)
  })

  it('is not when it lasted for a moment only: the pause keeps the server from being run down', async () => {
    clock.advance(SECOND)
    feed.drop()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(feed.requests).toHaveLength(1)
  })
})
