import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fromUtf8 } from '#kernel/bytes.ts'
import type { TableName, Tables } from '#flows/tables.ts'
import { openHouse, type House } from './house.ts'
import type { CrashPoint } from './points.ts'
import { STORIES, type StoryName } from './stories.ts'

export interface Place {
  readonly database: string
  readonly folder: string
  readonly replica: string
}

export interface Round {
  readonly killed: boolean
  /** `<certificate|token> <serial or digest>`, as the client was told. */
  readonly acknowledged: readonly string[]
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
    acknowledged: lines
      .filter((line) => line.startsWith('acknowledged '))
      .map((line) => line.slice('acknowledged '.length)),
    passed:
      lines
        .find((line) => line.startsWith('passed '))
        ?.slice('passed '.length)
        .split(' ') ?? [],
    hit: lines.find((line) => line.startsWith('dying '))?.slice('dying '.length) ?? null,
    stderr,
  }
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
 * what clients were told. Returns every violation of promise 1; none is the only good answer.
 */
export async function violationsAt(place: Place, acknowledged: readonly string[]): Promise<readonly string[]> {
  const house = await openHouse({ ...place, point: null })
  try {
    const certificates = await everyRow(house, 'Certificate', 'serial')
    const leaves = (await everyRow(house, 'LogLeaf', 'hash')).filter((leaf) => leaf.replica === place.replica)
    const found = [
      ...unrecordedSignatures(place, certificates, leaves),
      ...lostAcknowledgements(acknowledged, certificates, leaves),
      ...gaps(leaves),
      ...certificates
        .filter(({ state }) => state === 'intent')
        .map(({ serial }) => `intent ${serial} was not given up`),
    ]
    // It works again, for a newcomer too.
    await STORIES.enroll(house, () => undefined)
    return found
  } finally {
    await house.close()
  }
}

type Certificate = Tables['Certificate']
type Leaf = Tables['LogLeaf']

function unrecordedSignatures(place: Place, certificates: readonly Certificate[], leaves: readonly Leaf[]): string[] {
  const log = join(place.folder, 'signer.log')
  const signed = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []
  const recorded = new Set([...certificates.map(({ tbsHash }) => tbsHash), ...leaves.flatMap(payloadsOf)])
  return signed.filter((hash) => !recorded.has(hash)).map((hash) => `signed and not recorded: ${hash}`)
}

function payloadsOf(leaf: Leaf): string[] {
  const { commitments } = JSON.parse(fromUtf8(leaf.bytes)) as { commitments: Record<string, string> }
  const payload = commitments['payload']
  return payload === undefined ? [] : [payload.replace('sha-256:', '')]
}

function lostAcknowledgements(
  acknowledged: readonly string[],
  certificates: readonly Certificate[],
  leaves: readonly Leaf[],
): string[] {
  const kept = new Set([
    ...certificates
      .filter(({ state, der }) => state === 'issued' && der !== null)
      .map(({ serial }) => `certificate ${serial}`),
    ...leaves.flatMap(payloadsOf).map((payload) => `token ${payload}`),
  ])
  return acknowledged.filter((what) => !kept.has(what)).map((what) => `acknowledged and lost: ${what}`)
}

function gaps(leaves: readonly Leaf[]): string[] {
  const numbers = leaves.map(({ seq }) => seq).sort((left, right) => left - right)
  const first = numbers[0] ?? 0
  return numbers.flatMap((seq, index) => (seq === first + index ? [] : [`gap before leaf ${String(seq)}`])).slice(0, 1)
}
