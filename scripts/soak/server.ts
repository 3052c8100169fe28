import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
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

interface Parts {
  readonly folder: string
  readonly data: string
  readonly database: TestDatabase
  readonly child: ChildProcess
  readonly origin: string
}

/** A server in a process of its own, as `writ server run` starts it, in a folder of its own. */
export class SoakServer {
  readonly origin: string
  readonly data: string
  readonly #parts: Parts
  readonly #admin: ApiOrigin

  private constructor(parts: Parts) {
    this.#parts = parts
    this.origin = parts.origin
    this.data = parts.data
    this.#admin = unixOrigin(join(parts.data, 'admin.sock'))
  }

  static async start(provider: Provider, mode: Mode): Promise<SoakServer> {
    const folder = mkdtempSync(join(tmpdir(), 'writ-soak-'))
    const data = join(folder, 'data')
    const database = await createDatabase(provider, folder)
    await initServer({
      data,
      values: configOf(provider, mode, database),
      admin: { uid: process.getuid?.() ?? 0, name: 'soak' },
    })
    const child = spawn(process.execPath, [...FLAGS, MAIN, 'server', 'run', '--json', '--data', data], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, WRIT_LOG_LEVEL: 'error' },
    })
    const origin = await originOf(child)
    return new SoakServer({ folder, data, database, child, origin })
  }

  /** Over the admin socket. @throws what the server refuses */
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
    const { child, database, folder } = this.#parts
    await this.#admin.dispatcher.close()
    child.kill('SIGTERM')
    if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve))
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
