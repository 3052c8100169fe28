import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { callApi, unixOrigin, type ApiOrigin } from '#client/index.ts'
import type { JsonObject } from '#kernel/json.ts'
import { initServer } from '#server/index.ts'
import { createDatabase, type Provider, type TestDatabase } from '../../test/support/databases.ts'
import { storePassword } from '../../test/support/store-password.ts'

export const TRUST_DOMAIN = 'soak.example'
export const ISSUER = 'https://localhost'
export const AUDIENCE = 'https://service.soak.example'
/** Who talks, and who is talked to with task tokens. */
export type Role = 'soak' | 'service'
export const AGENT_ID = `spiffe://${TRUST_DOMAIN}/agent/soak`
const SERVICE_ID = `spiffe://${TRUST_DOMAIN}/agent/service`

export function isMember(id: string): boolean {
  return id.startsWith(`${AGENT_ID}/`) || id.startsWith(`${SERVICE_ID}/`)
}

export type Mode = 'self-rooted' | 'rooted'

export const FLAGS = ['--conditions=writ-source', '--disable-warning=ExperimentalWarning']
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

interface Running {
  readonly child: ChildProcess
  readonly origin: string
}

interface Parts {
  readonly folder: string
  /** The socket of the first one. */
  readonly socket: string
  readonly database: TestDatabase
  readonly running: readonly Running[]
}

export interface ServerOptions {
  readonly provider: Provider
  readonly replicas: 1 | 2
  readonly mode: Mode
}

/** One server or two on one database, each in a process of its own, as `writ server run` starts it. */
export class SoakServer {
  readonly #parts: Parts
  readonly #admin: ApiOrigin

  private constructor(parts: Parts) {
    this.#parts = parts
    this.#admin = unixOrigin(parts.socket)
  }

  static async start({ provider, replicas, mode }: ServerOptions): Promise<SoakServer> {
    if (replicas > 1 && provider === 'sqlite') throw new TypeError('two servers need --database postgresql')
    const folder = mkdtempSync(join(tmpdir(), 'writ-soak-'))
    const data = join(folder, 'data')
    const database = await createDatabase(provider, folder)
    await initServer({
      data,
      values: configOf(provider, mode, database),
      admin: { uid: process.getuid?.() ?? 0, name: 'soak' },
    })
    const first = await run(data, 1)
    // Both have the keys in the same files, as on a shared volume; so the first one's socket makes way.
    const socket = join(folder, 'first.sock')
    renameSync(join(data, 'admin.sock'), socket)
    const running = replicas === 1 ? [first] : [first, await run(data, 2)]
    return new SoakServer({ folder, socket, database, running })
  }

  /** One of the servers, in turn. */
  originOf(number: number): string {
    return this.#parts.running[number % this.#parts.running.length]?.origin ?? ''
  }

  /** Over the admin socket of the first one. @throws what the server refuses */
  async admin(method: 'GET' | 'POST', path: string, json?: JsonObject): Promise<JsonObject> {
    return (await callApi(this.#admin, { method, path, ...(json === undefined ? {} : { json }) })) as JsonObject
  }

  async register(): Promise<void> {
    const actions = ['read']
    const resource = { audience: AUDIENCE, owner: 'soak', spiffe_ids: [SERVICE_ID], actions }
    await this.admin('POST', '/v1/resources', resource)
    // The least that there is.
    const common = { owner: 'soak', x509_lifetime: 300, token_lifetime: 30 }
    await this.admin('POST', '/v1/agents', { name: 'soak', permissions: [{ audience: AUDIENCE, actions }], ...common })
    await this.admin('POST', '/v1/agents', { name: 'service', permissions: [], ...common })
  }

  async joinToken(agent: Role): Promise<string> {
    const { token } = await this.admin('POST', '/v1/join-tokens', { agent })
    return typeof token === 'string' ? token : ''
  }

  async stop(): Promise<void> {
    const { running, database, folder } = this.#parts
    await this.#admin.dispatcher.close()
    await Promise.all(
      running.map(async ({ child }) => {
        if (child.exitCode !== null) return
        const ended = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGTERM')
        await ended
      }),
    )
    await database.drop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function configOf(provider: Provider, mode: Mode, database: TestDatabase) {
  const { passwordFile } = storePassword()
  const password = passwordFile === undefined ? {} : { password_file: passwordFile }
  const store = provider === 'sqlite' ? {} : { database: { url: database.url, ...password } }
  const listen = { https: '127.0.0.1:0', status: null, health: null }
  return { trust_domain: TRUST_DOMAIN, public_url: ISSUER, mode, listen, ...store }
}

async function run(data: string, number: number): Promise<Running> {
  const child = spawn(process.execPath, [...FLAGS, MAIN, 'server', 'run', '--json', '--data', data], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      WRIT_LOG_LEVEL: 'error',
      WRIT_REPLICA_NAME: `replica-${String(number)}`,
      WRIT_REPLICA_NUMBER: String(number),
    },
  })
  // Who is told to stop before the end leaves no server behind.
  process.once('exit', () => child.kill('SIGTERM'))
  return { child, origin: await originOf(child) }
}

async function originOf(child: ChildProcess): Promise<string> {
  const ready = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => {
      resolve(chunk.toString())
    })
    child.once('exit', () => {
      reject(new TypeError('the server did not start'))
    })
  })
  const { ready: addresses } = JSON.parse(ready) as { ready: { https: string } }
  return `https://localhost:${new URL(addresses.https).port}`
}
