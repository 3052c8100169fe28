import { FeedHub, type FeedObserver } from '#flows/feed/feed-hub.ts'
import { openFeed, type FeedPorts } from '#flows/feed/open-feed.ts'
import type { Caller } from '#authentication/index.ts'
import { parseEvents, type Heard } from './feed-reader.ts'
import { TaskHouse, type Copy } from './task-house.ts'

const QUIET: FeedObserver = { streams: () => undefined, sent: () => undefined, lag: () => undefined }

export interface Session {
  readonly heard: Heard[]
  /** Resolves to the code that ended it; null when nothing did. */
  readonly over: Promise<string | null>
  close(): void
}

/** A small trust domain in memory with a feed. Positions are given when `settle` is called, and not before. */
export class FeedHouse {
  readonly failures: unknown[] = []
  readonly lags: number[] = []
  readonly tasks: TaskHouse
  readonly receiver: Copy
  readonly ports: FeedPorts
  readonly #sessions = new Set<Session>()

  private constructor(tasks: TaskHouse, receiver: Copy, feed: FeedHub) {
    this.tasks = tasks
    this.receiver = receiver
    this.ports = { ...tasks.ports, feed }
  }

  static async build(): Promise<FeedHouse> {
    const tasks = await TaskHouse.build()
    const receiver = tasks.addAgent('billing', { permissions: [] })
    const made: { house?: FeedHouse } = {}
    const feed = await FeedHub.start(
      { ...tasks.ports, signal: tasks.store, refreshAuthorities: () => Promise.resolve() },
      {
        onFailure: (error) => made.house?.failures.push(error),
        observer: { ...QUIET, lag: (length) => made.house?.lags.push(length) },
      },
    )
    return (made.house = new FeedHouse(tasks, receiver, feed))
  }

  async open(
    lastEventId: string | null = null,
    again: () => Promise<Caller> = () => Promise.resolve(this.tasks.caller(this.receiver)),
  ): Promise<Session> {
    const controller = new AbortController()
    const request = { lastEventId, again, signal: controller.signal }
    const chunks = await openFeed(this.ports, this.tasks.caller(this.receiver), request)
    const heard: Heard[] = []
    const listen = async (): Promise<string | null> => {
      try {
        for await (const chunk of chunks) heard.push(...parseEvents(chunk))
        return null
      } catch (error) {
        return (error as { code?: string }).code ?? String(error)
      }
    }
    const session: Session = {
      heard,
      over: listen(),
      close: () => {
        controller.abort()
        this.#sessions.delete(session)
      },
    }
    this.#sessions.add(session)
    await waitFor(() => heard.some(({ event }) => event === 'ready'))
    return session
  }

  /** Gives positions, and waits until every open session has heard that there is nothing more. */
  async settle(): Promise<void> {
    while ((await this.tasks.store.sequence('Outbox')) > 0);
    await this.ports.feed.catchUp()
    await this.ports.feed.beat()
    const { position } = this.ports.feed
    for (const { heard } of this.#sessions) {
      await waitFor(() => heard.some(({ event, data }) => event === 'heartbeat' && data['position'] === position))
    }
  }

  async close(): Promise<void> {
    for (const session of [...this.#sessions]) session.close()
    await this.ports.feed.stop()
  }
}

async function waitFor(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds() && tries < 5000; tries++) await new Promise((resolve) => setImmediate(resolve))
  if (!holds()) throw new TypeError('it did not come to that')
}

/** What was told, as one line each; without what only says how far it is. */
export function told(heard: readonly Heard[]): readonly string[] {
  return heard
    .filter(({ event }) => !['view', 'ready', 'heartbeat'].includes(event))
    .map(({ event, data }) => `${event} ${JSON.stringify(data)}`)
}
