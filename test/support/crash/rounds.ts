import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TableName, Tables } from '#flows/tables.ts'
import { openHouse, type House } from './house.ts'
import { contentOf, type Leaf } from './leaves.ts'
import type { CrashPoint } from './points.ts'
import { fallenNumbers, halfRevoked, letIn, unlisted } from './revocation-verdicts.ts'
import { illegalAuthorities, unrepeatable } from './rotation-verdicts.ts'
import { STORIES, type StoryName } from './stories.ts'
import { NOBODY, type Testimony } from './witness.ts'

export interface Place {
  readonly database: string
  readonly folder: string
  readonly replica: string
}

export interface Round extends Testimony {
  readonly killed: boolean
  /** Codes of stories that others were in the way of. */
  readonly refused: readonly string[]
  readonly passed: readonly string[]
  /** `<before|after> <port>`, where it was killed. */
  readonly hit: string | null
  readonly stderr: string
}

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))
const NODE_FLAGS = ['--conditions=writ-source', '--disable-warning=ExperimentalWarning']

/** One life of a server: it starts, works at the stories, and is killed at the point, or ends by itself. */
export async function runRound(place: Place, stories: readonly StoryName[], point: CrashPoint | null): Promise<Round> {
  const at = point === null ? '-' : `${String(point.call)}:${point.when}`
  const args = [...NODE_FLAGS, WORKER, place.database, place.folder, place.replica, stories.join(','), at]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const signal = await new Promise<string | null>((resolve) =>
    child.once('close', (_code, how) => {
      resolve(how)
    }),
  )
  const lines = stdout.split('\n')
  return {
    killed: signal === 'SIGKILL',
    attempted: restOf(lines, 'attempted'),
    acknowledged: restOf(lines, 'acknowledged'),
    refused: restOf(lines, 'refused'),
    passed: restOf(lines, 'passed')[0]?.split(' ') ?? [],
    hit: restOf(lines, 'dying')[0] ?? null,
    stderr,
  }
}

function restOf(lines: readonly string[], word: string): readonly string[] {
  return lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []))
}

async function everyRow<Table extends TableName>(
  house: House,
  table: Table,
  key: keyof Tables[Table],
): Promise<Tables[Table][]> {
  const rows: Tables[Table][] = []
  for (;;) {
    const after = rows.at(-1)?.[key] as string | undefined
    const page = await house.store.list(table, { limit: 1000, ...(after === undefined ? {} : { after }) })
    rows.push(...page)
    if (page.length < 1000) return rows
  }
}

/**
 * Starts the server again, as it would start by itself, and holds what is stored against the signer log and against
 * what people were told. `alone` is what was said in the last life when one story had it for itself: its commands are
 * given again. Returns every violation of promises 1, 3, 6 and 8; none is the only good answer.
 */
export async function violationsAt(
  place: Place,
  told: Testimony,
  alone: Testimony | null = null,
): Promise<readonly string[]> {
  const house = await openHouse({ ...place, point: null })
  try {
    // 1. What was taken back is refused from the first request on.
    const found = [...(await letIn(house, told))]
    // 2. Everything is as it was said, and recorded before it was signed.
    const certificates = await everyRow(house, 'Certificate', 'serial')
    const leaves = (await everyRow(house, 'LogLeaf', 'hash')).filter((leaf) => leaf.replica === place.replica)
    found.push(
      ...unrecordedSignatures(place, certificates, leaves),
      ...lostAcknowledgements(told.acknowledged, certificates, leaves),
      ...gaps(leaves),
      ...certificates
        .filter(({ state }) => state === 'intent')
        .map(({ serial }) => `intent ${serial} was not given up`),
      ...(await illegalAuthorities(house, leaves)),
      ...(await halfRevoked(house, told, leaves)),
      ...(await fallenNumbers(house, told, leaves)),
    )
    // 3. It works again, for a newcomer too, and goes on with what was begun.
    await STORIES.enroll(house, NOBODY)
    if (alone !== null) found.push(...(await unrepeatable(house, alone)))
    if (told.attempted.some((what) => what.startsWith('revocation '))) found.push(...(await unlisted(house, told)))
    return found
  } finally {
    await house.close()
  }
}

type Certificate = Tables['Certificate']

function unrecordedSignatures(place: Place, certificates: readonly Certificate[], leaves: readonly Leaf[]): string[] {
  const log = join(place.folder, 'signer.log')
  const signed = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []
  const recorded = new Set([...certificates.map(({ tbsHash }) => tbsHash), ...leaves.flatMap(payloadsOf)])
  return signed.filter((hash) => !recorded.has(hash)).map((hash) => `signed and not recorded: ${hash}`)
}

function payloadsOf(leaf: Leaf): string[] {
  const { commitments } = contentOf(leaf)
  const signed = [commitments['payload'], commitments['tbs']]
  return signed.flatMap((hash) => (hash === undefined ? [] : [hash.replace('sha-256:', '')]))
}

function lostAcknowledgements(
  acknowledged: readonly string[],
  certificates: readonly Certificate[],
  leaves: readonly Leaf[],
): string[] {
  const kept = new Set([
    ...certificates
      .filter(({ state, der }) => (state === 'issued' || state === 'revoked') && der !== null)
      .map(({ serial }) => `certificate ${serial}`),
    ...leaves.flatMap(payloadsOf).map((payload) => `token ${payload}`),
  ])
  const given = acknowledged.filter((what) => /^(certificate|token) /.test(what))
  return given.filter((what) => !kept.has(what)).map((what) => `acknowledged and lost: ${what}`)
}

function gaps(leaves: readonly Leaf[]): string[] {
  const numbers = leaves.map(({ seq }) => seq).sort((left, right) => left - right)
  const first = numbers[0] ?? 0
  return numbers.flatMap((seq, index) => (seq === first + index ? [] : [`gap before leaf ${String(seq)}`])).slice(0, 1)
}
