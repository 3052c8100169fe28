/** Servers on one store for a measurement, each in a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { callApi, unixOrigin } from '#client/index.ts'
import type { JsonObject } from '#kernel/json.ts'
import { initServer } from '#server/index.ts'
import { createDatabase, type Provider, type TestDatabase } from '../../test/support/databases.ts'
import { storePassword } from '../../test/support/store-password.ts'

export const ISSUER = 'https://localhost'
const FLAGS = ['--conditions=writ-source', '--disable-warning=ExperimentalWarning']
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
/** What is measured is not how much one caller may ask. */
const MUCH = { rate: 100_000, burst: 100_000 }

export interface Replica {
  /** `https://localhost:8443` */
  readonly origin: string
  /** Of the status listener. */
  readonly status: string
  readonly child: ChildProcess
  readonly data: string
}

/** One or two servers, and the admin socket of the first. */
export class Replicas {
  readonly all: Replica[]
  readonly #folder: string
  readonly #database: TestDatabase

  private constructor(all: Replica[], folder: string, database: TestDatabase) {
    this.all = all
    this.#folder = folder
    this.#database = database
  }

  static async start(provider: Provider, count: 1 | 2): Promise<Replicas> {
    const folder = mkdtempSync(join(tmpdir(), 'writ-bench-'))
    const database = await createDatabase(provider, folder)
    const { passwordFile } = storePassword()
    const password = passwordFile === undefined ? {} : { password_file: passwordFile }
    const off = '127.0.0.1:0'
    const values = {
      trust_domain: 'bench.example',
      public_url: ISSUER,
      status_url: 'http://status.bench.example',
      listen: { https: off, status: off, health: null },
      limits: { address: MUCH, identity: MUCH },
      ...(provider === 'sqlite' ? {} : { database: { url: database.url, ...password } }),
    }
    const first = join(folder, 'first')
    await initServer({ data: first, values, admin: { uid: process.getuid?.() ?? 0, name: 'bench' } })
    const all = [await run(first, 1)]
    if (count === 2) {
      const second = join(folder, 'second')
      cpSync(first, second, { recursive: true, filter: (name) => !name.endsWith('.sock') })
      all.push(await run(second, 2))
    }
    return new Replicas(all, folder, database)
  }

  get databaseUrl(): string {
    return this.#database.url
  }

  /** Over the admin socket of one, the first unless given. @throws what it refuses */
  async admin(path: string, json: JsonObject, at = 0): Promise<JsonObject> {
    const { data } = this.all[at] ?? none()
    const origin = unixOrigin(join(data, 'admin.sock'))
    try {
      return (await callApi(origin, { method: 'POST', path, json })) as JsonObject
    } finally {
      await origin.dispatcher.close()
    }
  }

  /** Ends one by a signal, and waits until it is gone. */
  async end(at: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { child } = this.all[at] ?? none()
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  /** Starts one that has ended. */
  async again(at: number): Promise<Replica> {
    const { data } = this.all[at] ?? none()
    return (this.all[at] = await run(data, at + 1))
  }

  async joinToken(agent: string, at = 0): Promise<string> {
    const { token } = await this.admin('/v1/join-tokens', { agent }, at)
    return typeof token === 'string' ? token : ''
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((_, at) => this.end(at, 'SIGTERM')))
    await this.#database.drop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function run(data: string, number: number): Promise<Replica> {
  const env = {
    ...process.env,
    WRIT_LOG_LEVEL: 'error',
    WRIT_REPLICA_NAME: `replica-${String(number)}`,
    WRIT_REPLICA_NUMBER: String(number),
  }
  const child = spawn(process.execPath, [...FLAGS, MAIN, 'server', 'run', '--json', '--data', data], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  })
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (chunk: Buffer) => {
      resolve(chunk.toString())
    })
    child.once('exit', () => {
      reject(new TypeError('the server did not start'))
    })
  })
  const { ready } = JSON.parse(line) as { ready: { https: string; status: string } }
  return { origin: `https://localhost:${new URL(ready.https).port}`, status: ready.status, child, data }
}

function none(): never {
  throw new TypeError('no such server')
}
