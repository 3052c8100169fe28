import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** A `writ` command that goes on until it is stopped. */
export class Background {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  stdout = ''
  stderr = ''

  constructor(args: readonly string[], options: { cwd: string; env?: Readonly<Record<string, string>> }) {
    const flags = ['--conditions=writ-source', '--disable-warning=ExperimentalWarning']
    this.child = spawn(process.execPath, [...flags, MAIN, ...args], {
      cwd: options.cwd,
      env: { PATH: process.env['PATH'] ?? '', HOME: options.cwd, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()))
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.ended = new Promise((resolve) => this.child.once('close', resolve))
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal)
    return this.ended
  }
}

/** Waits until `holds`; the error shows what `state` says. */
export async function until(holds: () => boolean, state: () => string = () => '', limit = 20_000): Promise<void> {
  const end = performance.now() + limit
  while (!holds()) {
    if (performance.now() > end) throw new TypeError(`did not come about: ${state()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
