/** A server of its own for a measurement, in a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { initServer } from '#server/index.ts'
import { createDatabase, type Provider, type TestDatabase } from '../../test/support/databases.ts'
import { storePassword } from '../../test/support/store-password.ts'

const FLAGS = ['--conditions=writ-source', '--disable-warning=ExperimentalWarning']
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

export class BenchServer {
  readonly url: string
  readonly password: string | undefined
  readonly #folder: string
  readonly #data: string
  readonly #database: TestDatabase
  readonly #connection = new Agent({ keepAlive: true, maxSockets: 1 })
  #child: ChildProcess | undefined

  private constructor(folder: string, database: TestDatabase, password: string | undefined) {
    this.#folder = folder
    this.#data = join(folder, 'data')
    this.#database = database
    this.url =
      database.url === `file:${join(folder, 'writ.db')}` ? `file:${join(folder, 'data', 'writ.db')}` : database.url
    this.password = password
  }

  /** An initialized one that does not run yet. */
  static async make(provider: Provider): Promise<BenchServer> {
    const folder = mkdtempSync(join(tmpdir(), 'writ-bench-'))
    const database = await createDatabase(provider, folder)
    const { passwordFile } = storePassword()
    const password = passwordFile === undefined ? undefined : readFileSync(passwordFile, 'utf8').trim()
    const server = new BenchServer(folder, database, password)
    const off = '127.0.0.1:0'
    await initServer({
      data: server.#data,
      values: {
        trust_domain: 'bench.example',
        public_url: 'https://localhost',
        status_url: 'http://status.bench.example',
        listen: { https: off, status: off, health: null },
        ...(provider === 'sqlite'
          ? {}
          : {
              database: { url: database.url, ...(passwordFile === undefined ? {} : { password_file: passwordFile }) },
            }),
      },
      admin: { uid: process.getuid?.() ?? 0, name: 'bench' },
    })
    return server
  }

  /** Starts it; answers the milliseconds from the spawn until it said that it is ready. */
  async start(): Promise<number> {
    const env = { ...process.env, WRIT_LOG_LEVEL: 'error' }
    const begun = performance.now()
    const child = spawn(process.execPath, [...FLAGS, MAIN, 'server', 'run', '--json', '--data', this.#data], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env,
    })
    this.#child = child
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => {
        resolve()
      })
      child.once('exit', () => {
        reject(new TypeError('the server did not start'))
      })
    })
    return performance.now() - begun
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child?.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await new Promise((resolve) => child.once('exit', resolve))
  }

  async drop(): Promise<void> {
    await this.stop()
    this.#connection.destroy()
    await this.#database.drop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Through the admin socket, on one connection. */
  post(path: string, body: object): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
    return new Promise((resolve, reject) => {
      const options = {
        socketPath: join(this.#data, 'admin.sock'),
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        agent: this.#connection,
      }
      const call = request(options, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> })
        })
      })
      call.once('error', reject)
      call.end(JSON.stringify(body))
    })
  }
}
