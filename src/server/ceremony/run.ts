import { copyFileSync, constants, existsSync } from 'node:fs'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import type { CeremonyKeys, CeremonyPorts } from '#flows/ceremony/ports.ts'
import { stepsOf, type CeremonyPlan } from '#flows/ceremony/plan.ts'
import { rehearseCeremony, runCeremony, type CeremonyResult } from '#flows/ceremony/run-ceremony.ts'
import { serverError } from '../errors.ts'
import { OutputFolder } from './output-folder.ts'
import { readCeremonyFile, type CeremonyFile } from './plan.ts'
import { SoftwareHome } from './software-home.ts'
import { TokenHome } from './token-home.ts'

export interface CeremonyOptions {
  /** The ceremony file. */
  readonly file: string
  readonly dryRun: boolean
  /** A second place for the transcript, beside the one in the output folder. */
  readonly transcript?: string | undefined
  readonly version: string
  /** Is told what will be done, before it is. */
  readonly announce: (steps: readonly string[]) => void
}

export interface CeremonyReport {
  /** Absolute path of the folder with everything that was made. */
  readonly output: string
  /** Null after a dry run. */
  readonly result: CeremonyResult | null
}

/**
 * `writ ca ceremony run`: reads the file, says what it will do, does it.
 * @throws CONFIG_…, CEREMONY_…, KEY_…, what parsing the requests throws
 */
export async function runCeremonyFile(options: CeremonyOptions): Promise<CeremonyReport> {
  // 1. Read everything, and find out whether it can be done.
  const ceremony = readCeremonyFile(options.file)
  const { plan, output } = ceremony
  OutputFolder.check(output)
  refuseTaken(options.transcript)
  const home = homeOf(ceremony.values.keys, ceremony.at)
  const elsewhere = ceremony.values.cross?.keys
  const other = elsewhere === undefined ? home : homeOf(elsewhere, ceremony.at)
  try {
    return await carryOut({ options, plan, output, ports: portsOf(home.keys, other.keys, options) })
  } finally {
    await home.close()
    if (other !== home) await other.close()
  }
}

interface Performance {
  readonly options: CeremonyOptions
  readonly plan: CeremonyPlan
  readonly output: string
  readonly ports: CeremonyPorts
}

async function carryOut({ options, plan, output, ports }: Performance): Promise<CeremonyReport> {
  await rehearseCeremony(ports, plan)
  // 2. Say it.
  options.announce(stepsOf(plan))
  if (options.dryRun) return { output, result: null }
  // 3. Do it.
  const folder = OutputFolder.make(output)
  const result = await runCeremony({ ...ports, sink: folder, files: folder }, plan)
  const transcript = folder.finish()
  if (options.transcript !== undefined) copyFileSync(transcript, options.transcript, constants.COPYFILE_EXCL)
  return { output, result }
}

function homeOf({ folder, token }: CeremonyFile['values']['keys'], at: CeremonyFile['at']): Home {
  if (token === undefined) return { keys: new SoftwareHome(at(folder ?? '')), close: () => Promise.resolve() }
  const keys = new TokenHome({ module: at(token.module), uri: token.uri, pinFile: at(token.pin_file) })
  return { keys, close: () => keys.close() }
}

/** The home of the root's key, open for as long as the ceremony lasts. */
interface Home {
  readonly keys: CeremonyKeys
  close(): Promise<void>
}

/** Of a rehearsal nothing is written. */
const NOWHERE = { append: () => Promise.resolve(), write: () => Promise.resolve() }

function portsOf(keys: CeremonyKeys, crossKeys: CeremonyKeys, { version }: CeremonyOptions): CeremonyPorts {
  const tool = { writ: version, node: process.versions.node }
  return { keys, crossKeys, clock: new SystemClock(), random: new SystemRandom(), sink: NOWHERE, files: NOWHERE, tool }
}

function refuseTaken(path: string | undefined): void {
  if (path !== undefined && existsSync(path)) {
    throw serverError('CEREMONY_OUTPUT_EXISTS', { details: { transcript: path } })
  }
}
