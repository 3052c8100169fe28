import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './background.ts'

/** A PKCS#11 module in a process of its own (p11-kit), and the module that reaches it from others. */
export class IsolatedModule {
  readonly folder = mkdtempSync(join(tmpdir(), 'writ-p11-kit-'))
  /** What is loaded in the place of the module. */
  readonly module: string
  /** For whoever loads it. */
  readonly environment: Readonly<Record<string, string>>
  readonly #provider: string
  readonly #behind: Readonly<Record<string, string>>
  #server: ChildProcess | null = null

  /** `environment` is that of the module itself. */
  constructor(provider: string, environment: Readonly<Record<string, string>>) {
    const [client] = globSync('/usr/lib/*/pkcs11/p11-kit-client.so')
    if (client === undefined) throw new TypeError('no p11-kit-client.so')
    this.module = client
    this.#provider = provider
    this.#behind = environment
    this.environment = { P11_KIT_SERVER_ADDRESS: `unix:path=${this.#socket}` }
  }

  async start(): Promise<void> {
    rmSync(this.#socket, { force: true })
    const args = ['server', '--foreground', '--name', this.#socket, '--provider', this.#provider, 'pkcs11:']
    // A group of its own: every connection is a process, and they end together.
    const server = spawn('p11-kit', args, {
      env: { ...process.env, ...this.#behind },
      stdio: 'ignore',
      detached: true,
    })
    this.#server = server
    await until(
      () => existsSync(this.#socket),
      () => `p11-kit server ended with ${String(server.exitCode)}`,
    )
  }

  /** Kills what runs the module, as a crash of it would. */
  async kill(): Promise<void> {
    const server = this.#server
    this.#server = null
    if (server?.pid === undefined || server.exitCode !== null) return
    process.kill(-server.pid, 'SIGKILL')
    await once(server, 'exit')
  }

  /** The processes that the module is loaded in. */
  processes(): readonly number[] {
    const group = this.#server?.pid
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => groupOf(pid) === group)
  }

  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }

  get #socket(): string {
    return join(this.folder, 'socket')
  }
}

function groupOf(pid: number): number | null {
  try {
    const status = readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
    return Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[2])
  } catch {
    return null
  }
}
