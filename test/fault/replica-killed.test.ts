import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SystemClock } from '#adapters/system/index.ts'
import { enroll, trustOfJoinToken, type Identity } from '#client/index.ts'
import { Secret } from '#kernel/secret.ts'
import { parseJoinToken } from '#wire/index.ts'
import { closeProbes, crlProbes, untilRefused, type Probe } from '../../scripts/bench/probes.ts'
import { ISSUER, Replicas } from '../../scripts/bench/replicas.ts'
import { parseEvents, type Heard } from '../support/feed-reader.ts'
import { enrollAt, LiveReceiver } from '../support/live-receiver.ts'

const AUDIENCE = 'https://bench.example.org'
let replicas: Replicas
let database: pg.Client

beforeAll(async () => {
  replicas = await Replicas.start('postgresql', 2)
  database = new pg.Client({ connectionString: replicas.databaseUrl })
  await database.connect()
  const spiffeIds = ['spiffe://bench.example/agent/receiver']
  await replicas.admin('/v1/resources', { audience: AUDIENCE, owner: 'it', spiffe_ids: spiffeIds, actions: ['read'] })
  await replicas.admin('/v1/agents', { name: 'receiver', owner: 'it' })
  const permissions = [{ audience: AUDIENCE, actions: ['read'] }]
  await replicas.admin('/v1/agents', { name: 'bot', owner: 'it', permissions })
}, 60_000)
afterAll(async () => {
  await database.end()
  await closeProbes()
  await replicas.stop()
}, 60_000)

const originOf = (at: number): string => replicas.all[at]?.origin ?? ''

/** Who goes by the feed of one replica. */
class Listener {
  readonly heard: Heard[] = []
  readonly #receiver: LiveReceiver
  readonly #controller = new AbortController()

  private constructor(receiver: LiveReceiver) {
    this.#receiver = receiver
  }

  static async at(at: number): Promise<Listener> {
    const home = { origin: originOf(at), issuer: ISSUER, joinToken: (agent: string) => replicas.joinToken(agent, at) }
    const receiver = new LiveReceiver(await enrollAt(home, 'receiver'), { audience: AUDIENCE, issuer: ISSUER })
    const listener = new Listener(receiver)
    void listener.#listen()
    return listener
  }

  /** When an event was first heard after a moment; undefined when it was not. */
  after(event: string, since: number): number | undefined {
    return this.heard.find((one) => one.event === event && one.at > since)?.at
  }

  async close(): Promise<void> {
    this.#controller.abort()
    await this.#receiver.close()
  }

  async #listen(): Promise<void> {
    const { signal } = this.#controller
    try {
      const feed = await this.#receiver.live.openFeed({ lastEventId: undefined, signal })
      for await (const chunk of feed) this.heard.push(...parseEvents(Buffer.from(chunk).toString(), performance.now()))
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

async function newBot(at: number): Promise<Identity> {
  const text = await replicas.joinToken('bot', at)
  const trust = trustOfJoinToken(parseJoinToken(text))
  const evidence = { attestor: 'join_token', token: new Secret(text) } as const
  return enroll({ server: originOf(at), trust, evidence, clock: new SystemClock() })
}

async function revoke({ spiffeId }: Identity, at: number): Promise<void> {
  const value = spiffeId.path.split('/').at(-1) ?? ''
  await replicas.admin('/v1/revocations', { handle: 'instance', value, reason: 'unspecified' }, at)
}

/** By duty: who holds it, and how long it would last from now on, by the clock of the database. */
async function leases(): Promise<ReadonlyMap<string, { readonly holder: string; readonly left: number }>> {
  const { rows } = await database.query<{ name: string; holder: string; left: string }>(
    `SELECT "name", "holder", "until" - floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS "left" FROM "Lease"`,
  )
  return new Map(rows.map(({ name, holder, left }) => [name, { holder, left: Number(left) }]))
}

const holderOf = async (duty: string): Promise<string | undefined> => (await leases()).get(duty)?.holder

/** Everything that has happened has its place. */
const isNumbered: Probe = async () => {
  const { rows } = await database.query(`SELECT 1 FROM "Outbox" WHERE "position" IS NULL LIMIT 1`)
  return rows.length === 0
}

const until = async (probe: Probe): Promise<void> => {
  await untilRefused(probe, performance.now(), 20)
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`

/** Two that run, and one of them does all duties: which one, and the other. */
async function twoReplicas(): Promise<readonly [number, number]> {
  for (const [at, { child }] of replicas.all.entries()) {
    if (child.exitCode !== null || child.signalCode !== null) await replicas.again(at)
  }
  let holder: string | undefined
  await until(async () => {
    holder = await holderOf('sequence')
    return holder !== '' && holder !== undefined && (await holderOf('crls')) === holder
  })
  return holder === 'replica-1' ? [0, 1] : [1, 0]
}

describe('of two replicas on PostgreSQL', () => {
  it('promise 6: when the one that does all duties is killed, positions, heartbeats and CRLs go on at the other', async ({
    annotate,
  }) => {
    const [holder, other] = await twoReplicas()
    const bot = await newBot(other)
    const lists = crlProbes(bot, replicas.all[other]?.status ?? '')
    const listener = await Listener.at(other)
    await until(() => listener.after('heartbeat', 0) !== undefined)
    // 1. One of them is killed while it holds every lease, and the other one takes something back.
    await replicas.end(holder, 'SIGKILL')
    const since = performance.now()
    const { left = Number.NaN } = (await leases()).get('sequence') ?? {}
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(3_000)
    await revoke(bot, other)
    const acknowledged = performance.now()
    // 2. Positions go on within seconds, and with them what receivers are told.
    const numbered = await untilRefused(isNumbered, since, 20)
    const felt = await untilRefused(() => listener.after('certificate', since) !== undefined, since, 20)
    await until(() => listener.after('heartbeat', since) !== undefined)
    const last = listener.heard.findLast(({ event, at }) => event === 'heartbeat' && at <= since)?.at ?? Number.NaN
    const pause = (listener.after('heartbeat', since) ?? Number.NaN) - last
    await listener.close()
    expect(numbered).toBeLessThan(10_000)
    expect(felt).toBeLessThan(10_000)
    expect(pause).toBeLessThan(15_000)
    // 3. Whoever reads CRLs sees it within the minute.
    const reading = [lists.shard, lists.complete].map((probe) => untilRefused(probe, acknowledged, 100))
    const listed = Math.max(...(await Promise.all(reading)))
    expect(listed).toBeLessThan(60_000)
    await annotate(
      `from the kill: positions ${seconds(numbered)}, receiver ${seconds(felt)}; ` +
        `between two heartbeats ${seconds(pause)}; CRL ${seconds(listed)} from the acknowledgement`,
    )
  }, 120_000)

  it('one that is stopped leaves every duty to the other at once', async ({ annotate }) => {
    const [holder, other] = await twoReplicas()
    const bot = await newBot(other)
    await replicas.end(holder, 'SIGTERM')
    const since = performance.now()
    const held = await leases()
    expect([...held.values()].filter((lease) => lease.holder === `replica-${String(holder + 1)}`)).toEqual([])
    expect(held.size).toBeGreaterThan(1)
    await revoke(bot, other)
    const numbered = await untilRefused(isNumbered, since, 20)
    expect(await holderOf('sequence')).toBe(`replica-${String(other + 1)}`)
    expect(numbered).toBeLessThan(10_000)
    await annotate(`from the end: positions ${seconds(numbered)}`)
  }, 120_000)
})
