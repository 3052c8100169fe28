import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
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

/** Runs one `writ` command as the reader would type it, shows both, and stops the story when it fails unexpectedly. */
export function writ(stage: Stage, args: readonly string[], expected: 'works' | 'is refused' = 'works'): Outcome {
  write(`$ writ ${args.map(quoted).join(' ')}\n`)
  const done = spawnSync(process.execPath, [...NODE_FLAGS, `${ROOT}src/cli/main.ts`, ...args], {
    cwd: stage.folder,
    env: environmentOf(stage),
    encoding: 'utf8',
    timeout: 30_000,
  })
  write(indent(done.stdout + done.stderr))
  const worked = done.status === 0
  if (worked !== (expected === 'works')) {
    write(`\nthis step should have ${expected === 'works' ? 'worked' : 'been refused'}; the story ends here\n`)
    throw new StoryOver()
  }
  return { status: done.status ?? -1, stdout: done.stdout }
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
