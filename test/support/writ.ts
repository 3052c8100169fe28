import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
}

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** Runs the `writ` command as a process, with an environment of its own. */
export async function writ(args: readonly string[], { cwd, env = {}, stdin = '' }: RunOptions): Promise<Ran> {
  const flags = ['--conditions=writ-source', '--disable-warning=ExperimentalWarning']
  const child = spawn(process.execPath, [...flags, MAIN, ...args], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: cwd, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.stdin.end(stdin)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, stdout, stderr }
}
