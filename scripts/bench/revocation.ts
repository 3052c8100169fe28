/**
 * The last part of `npm run bench`, or by itself `node --conditions=writ-source scripts/bench/revocation.ts [--database
 * sqlite|postgresql] [--rows N]`: what one revocation costs, and what a start of the server takes, where nothing is
 * stored yet and where N certificates (a million unless given) were issued and revoked. Two servers run side by side and
 * are asked in turns, so that whatever else the machine does hits both alike; what counts are the ratios.
 */
import { parseArgs } from 'node:util'
import type { Provider } from '../../test/support/databases.ts'
import { BenchServer } from './bench-server.ts'
import { fill, instanceOf, serialOf } from './fill.ts'

const BAR = 1.5
const WARM_UP = 20
const ROUNDS = 300
const STARTS = 9

const { values } = parseArgs({
  options: { database: { type: 'string' }, rows: { type: 'string', default: '1000000' } },
})
const ROWS = Number(values.rows)

interface Side {
  readonly server: BenchServer
  /** Number of the first of its living certificates. */
  readonly first: number
}

/** Without and with everything stored. */
type Sides = readonly [Side, Side]

async function side(provider: Provider, stored: number): Promise<Side> {
  const server = await BenchServer.make(provider)
  await server.start()
  const { body } = await server.post('/v1/agents', { name: 'bench', owner: 'bench' })
  await server.stop()
  const filling = { provider, url: server.url, password: server.password, agent: String(body['id']) }
  if (stored > 0) await fill(filling, { from: 1, to: stored, revoked: true })
  const living = { from: stored + 1, to: stored + 2 * (WARM_UP + ROUNDS), revoked: false }
  await fill(filling, living)
  return { server, first: living.from }
}

interface Times {
  readonly median: number
  readonly p99: number
}

function timesOf(samples: readonly number[]): Times {
  const sorted = samples.toSorted((one, other) => one - other)
  const at = (share: number): number => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? NaN
  return { median: at(0.5), p99: at(0.99) }
}

/** Both sides in turns. */
async function inTurns(sides: Sides, rounds: number, one: (side: Side, round: number) => Promise<number>) {
  const samples: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      samples[index].push(await one(sides[index], round))
    }
  }
  return samples
}

async function revoked({ server }: Side, handle: string, value: string): Promise<number> {
  const begun = performance.now()
  const { status, body } = await server.post('/v1/revocations', { handle, value, reason: 'unspecified' })
  const took = performance.now() - begun
  if (status !== 200 || body['changed'] !== true) throw new TypeError(`not revoked: ${JSON.stringify(body)}`)
  return took
}

function verdict(what: string, samples: readonly [readonly number[], readonly number[]]): boolean {
  const [none, all] = [timesOf(samples[0]), timesOf(samples[1])]
  const ratio = all.median / none.median
  const meets = ratio <= BAR
  const figures = [none, all].map(({ median, p99 }) => `median ${median.toFixed(2)} ms p99 ${p99.toFixed(2)} ms`)
  process.stdout.write(
    `  ${what.padEnd(24)} at 0: ${figures[0] ?? ''}; at ${String(ROWS)}: ${figures[1] ?? ''}; ratio ${ratio.toFixed(2)} (${meets ? 'meets' : 'misses'} the bar of ${String(BAR)})\n`,
  )
  return meets
}

async function measure(provider: Provider): Promise<boolean> {
  const sides: Sides = [await side(provider, 0), await side(provider, ROWS)]
  try {
    process.stdout.write(`${provider}: one revocation and one start, with nothing and with ${String(ROWS)} revoked\n`)
    const starts = await inTurns(sides, STARTS, async ({ server }) => {
      await server.stop()
      return server.start()
    })
    const results = [verdict('start', starts)]
    for (const [offset, handle, valueOf] of [
      [0, 'instance', instanceOf],
      [WARM_UP + ROUNDS, 'certificate', serialOf],
    ] as const) {
      const samples = await inTurns(sides, WARM_UP + ROUNDS, (one, round) =>
        revoked(one, handle, valueOf(one.first + offset + round)),
      )
      results.push(verdict(`revoke by ${handle}`, [samples[0].slice(WARM_UP), samples[1].slice(WARM_UP)]))
    }
    return results.every(Boolean)
  } finally {
    for (const { server } of sides) await server.drop()
  }
}

const providers = values.database === undefined ? (['sqlite', 'postgresql'] as const) : [values.database as Provider]
const results: boolean[] = []
for (const provider of providers) results.push(await measure(provider))
process.exitCode = results.every(Boolean) ? 0 : 1
