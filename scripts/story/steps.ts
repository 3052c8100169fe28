import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NODE_FLAGS = ['--conditions=writ-source', '--disable-warning=ExperimentalWarning']

/** What stands for a long value in what the reader sees. */
export interface Stage {
  /** Prepended to what the reader could type: where the data and the identities are. */
  readonly environment: Readonly<Record<string, string>>
  readonly folder: string
}

const write = (text: string): void => void process.stdout.write(text)

export function tell(number: number, text: string): void {
  write(`\n\u001b[1m${String(number)}. ${text}\u001b[0m\n`)
}

export interface Outcome {
  readonly status: number
  readonly stdout: string
}

export interface Expected {
  readonly expected?: 'works' | 'is refused'
  /** The code of the one refusal that is meant. */
  readonly because?: string
  /** A file for what it prints. */
  readonly into?: string
}

/** Runs one `writ` command as the reader would type it, shows both, and stops the story when it fails unexpectedly. */
export function writ(stage: Stage, args: readonly string[], { expected, because, into }: Expected = {}): Outcome {
  write(`$ writ ${args.map(quoted).join(' ')}${into === undefined ? '' : ` >${into}`}\n`)
  const done = spawnSync(process.execPath, [...NODE_FLAGS, `${ROOT}src/cli/main.ts`, ...args], {
    cwd: stage.folder,
    env: environmentOf(stage),
    encoding: 'utf8',
    timeout: 30_000,
  })
  write(indent((into === undefined ? done.stdout : '') + done.stderr))
  if (into !== undefined) writeFileSync(join(stage.folder, into), done.stdout)
  const isRefusal = because !== undefined || expected === 'is refused'
  if ((done.status !== 0) !== isRefusal || !done.stderr.includes(because ?? '')) {
    write(`\nthis step should have ${isRefusal ? `been refused ${because ?? ''}` : 'worked'}; the story ends here\n`)
    throw new StoryOver()
  }
  return { status: done.status ?? -1, stdout: done.stdout }
}

/** Runs another program as the reader would type it, and shows both. */
export function run(stage: Stage, program: string, args: readonly string[]): Outcome {
  write(`$ ${[program.replace(ROOT, ''), ...args].map(quoted).join(' ')}\n`)
  const done = spawnSync(program, args, {
    cwd: stage.folder,
    env: environmentOf(stage),
    encoding: 'utf8',
    timeout: 30_000,
  })
  write(indent(done.stdout + done.stderr))
  if (done.status !== 0) throw new StoryOver(`${program} failed`)
  return { status: done.status, stdout: done.stdout }
}

/** Thrown when a step did not go as told; everything started is stopped on the way out. */
export class StoryOver extends Error {}

function environmentOf(stage: Stage): Record<string, string> {
  const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env
  return { PATH, NODE_COMPILE_CACHE, HOME: stage.folder, ...stage.environment }
}

function quoted(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word}'`
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}\n`)
    .join('')
}

/** Starts a program of ours and waits for the line that says it is ready. */
export async function start(
  stage: Stage,
  script: string,
  args: readonly string[],
  ready: RegExp,
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [...NODE_FLAGS, ROOT + script, ...args], {
    cwd: stage.folder,
    env: environmentOf(stage),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let said = ''
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new StoryOver(`${script} did not start: ${said}`))
    }, 20_000)
    const listen = (chunk: Buffer): void => {
      said += chunk.toString()
      if (!ready.test(said)) return
      clearTimeout(timer)
      resolve()
    }
    child.stdout.on('data', listen)
    child.stderr.on('data', listen)
    child.once('exit', (code) => {
      clearTimeout(timer)
      reject(new StoryOver(`${script} ended with ${String(code)}: ${said}`))
    })
  })
  return child
}
