/**
 * `npm run torture -- --rounds N [--database sqlite|postgresql] [--seed S] [--stories a,b] [--alone]`: kills a server N times at random points of
 * random stories that run at once (clients, and an operator who rotates and takes back), starts it again on the same
 * database, and holds what is stored against the signer log and against what people were told. `--stories` names some of
 * them; one at a time is killed in with `--alone`, and its command is then given again. Exit code 1 when a promise was broken. Ends within N times a few seconds.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createDatabase, type Provider } from '../../test/support/databases.ts'
import { runRound, violationsAt, type Place } from '../../test/support/crash/rounds.ts'
import { STORY_NAMES, type StoryName } from '../../test/support/crash/stories.ts'
import type { CrashPoint } from '../../test/support/crash/points.ts'
import type { Testimony } from '../../test/support/crash/witness.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    database: { type: 'string', default: 'sqlite' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    stories: { type: 'string', default: STORY_NAMES.join(',') },
    alone: { type: 'boolean', default: false },
  },
})

/** Mulberry32: the same seed tells the same story again. */
function dice(seed: number): (sides: number) => number {
  let state = seed >>> 0
  return (sides) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides
  }
}

const CALLS_PER_STORY = 3
const CHECK_EVERY = 10

interface Tally {
  killed: number
  survived: number
  readonly hits: Map<string, number>
  readonly violations: string[]
  readonly attempted: string[]
  readonly acknowledged: string[]
  readonly refused: Map<string, number>
}

const names = values.stories.split(',').filter((name): name is StoryName => (STORY_NAMES as string[]).includes(name))
if (names.length === 0) throw new TypeError(`--stories is some of ${STORY_NAMES.join(',')}`)

async function round(place: Place, roll: (sides: number) => number, tally: Tally): Promise<Testimony> {
  const count = values.alone ? 1 : 1 + roll(8)
  const stories = Array.from({ length: count }, () => names[roll(names.length)] as StoryName)
  const point: CrashPoint = { call: roll(stories.length * CALLS_PER_STORY), when: roll(2) === 0 ? 'before' : 'after' }
  const life = await runRound(place, stories, point)
  const { killed, hit, attempted, acknowledged, refused, stderr } = life
  tally.attempted.push(...attempted)
  tally.acknowledged.push(...acknowledged)
  for (const code of refused) tally.refused.set(code, (tally.refused.get(code) ?? 0) + 1)
  if (killed) tally.killed++
  else tally.survived++
  if (hit !== null) tally.hits.set(hit, (tally.hits.get(hit) ?? 0) + 1)
  if (stderr !== '') tally.violations.push(`a server said: ${stderr.slice(0, 300)}`)
  return life
}

async function torture(provider: Provider, rounds: number, seed: number): Promise<Tally> {
  const folder = mkdtempSync(join(tmpdir(), 'writ-torture-'))
  const database = await createDatabase(provider, folder)
  const place: Place = { database: database.url, folder, replica: 'torture' }
  const tally: Tally = {
    killed: 0,
    survived: 0,
    hits: new Map(),
    violations: [],
    attempted: [],
    acknowledged: [],
    refused: new Map(),
  }
  const roll = dice(seed)
  try {
    for (let number = 1; number <= rounds; number++) {
      const life = await round(place, roll, tally)
      if (!values.alone && number % CHECK_EVERY !== 0 && number !== rounds) continue
      tally.violations.push(...(await violationsAt(place, tally, values.alone ? life : null)))
      process.stdout.write(
        `round ${String(number)} of ${String(rounds)}: ${String(tally.violations.length)} violations\n`,
      )
    }
  } finally {
    await database.drop()
    rmSync(folder, { recursive: true, force: true })
  }
  return tally
}

const seed = Number(values.seed)
const provider: Provider = values.database === 'postgresql' ? 'postgresql' : 'sqlite'
const tally = await torture(provider, Number(values.rounds), seed)
process.stdout.write(
  `\n${provider}, seed ${String(seed)}: ${String(tally.killed)} killed, ${String(tally.survived)} survived, `,
)
process.stdout.write(
  `${String(tally.acknowledged.length)} acknowledged, ${String(tally.violations.length)} violations\n`,
)
for (const [hit, count] of [...tally.hits].sort()) process.stdout.write(`  ${String(count).padStart(5)}  ${hit}\n`)
for (const [code, count] of [...tally.refused].sort())
  process.stdout.write(`  ${String(count).padStart(5)}  refused ${code}\n`)
for (const violation of new Set(tally.violations)) process.stdout.write(`VIOLATION ${violation}\n`)
process.exitCode = tally.violations.length === 0 ? 0 : 1
