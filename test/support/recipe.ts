import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A page of docs whose code is run. */
export interface Recipe {
  /** Every fenced block, in order, with what its fence says. */
  readonly blocks: readonly { readonly language: string; readonly code: string }[]
}

export function readRecipe(page: string): Recipe {
  const text = readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8')
  const fences = [...text.matchAll(/^```([^\n]*)\n([^]*?)^```$/gm)]
  const marks = [...text.matchAll(/^[\s>]*(?:```|~~~)/gm)].length
  if (marks !== 2 * fences.length) throw new TypeError(`${page} has a code block that nobody would run`)
  return { blocks: fences.map(([, language = '', code = '']) => ({ language, code })) }
}

export interface Cooked {
  readonly code: number | null
  /** What each block printed, in order; as many as were reached. */
  readonly printed: readonly string[]
  readonly stderr: string
}

export interface Kitchen {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly rewrite?: (code: string) => string
}

const MARK = '@@ next block @@'

/** Runs all blocks of a page in one shell, which stops at the first failure. */
export async function cook(recipe: Recipe, { cwd, env, rewrite = (code) => code }: Kitchen): Promise<Cooked> {
  const script = join(cwd, 'recipe.sh')
  writeFileSync(script, recipe.blocks.map(({ code }) => `${rewrite(code)}\necho '${MARK}'\n`).join(''))
  const child = spawn('/bin/sh', ['-eu', script], {
    cwd,
    env: { HOME: cwd, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, to be ended as one.
    detached: true,
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  endGroup(child.pid)
  return { code, printed: stdout.split(`${MARK}\n`).slice(0, -1), stderr }
}

/** A page that failed half-way may have left a server running. */
function endGroup(leader: number | undefined): void {
  if (leader === undefined) return
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // Nobody is left in it.
  }
}
