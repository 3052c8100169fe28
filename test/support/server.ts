import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JsonLog } from '#adapters/log/index.ts'
import { toPem } from '#x509/index.ts'
import { createCsr } from '#x509/index.ts'
import { initServer, loadConfig, startServer, type ConfigFile, type RunningServer } from '#server/index.ts'
import type { SvidAnswer } from '#wire/index.ts'
import { newTestKey, type TestKey } from './keys.ts'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Record<string, unknown>
}

/** What a client shows of itself, as PEM. */
export interface ClientIdentity {
  readonly key: string
  readonly cert: string
}

export interface Ask {
  readonly method?: string
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
  readonly as?: ClientIdentity
  readonly headers?: Readonly<Record<string, string>>
}

export const BILLING = 'https://billing.example.org'

/** A whole server in a folder of its own: real store, real keys, real sockets. */
export class TestHouse {
  readonly data: string
  readonly server: RunningServer
  readonly logged: string[]
  readonly bundle: string

  private constructor(fields: { data: string; server: RunningServer; logged: string[]; bundle: string }) {
    this.data = fields.data
    this.server = fields.server
    this.logged = fields.logged
    this.bundle = fields.bundle
  }

  static async start(values: Partial<ConfigFile> = {}): Promise<TestHouse> {
    const data = mkdtempSync(join(tmpdir(), 'writ-'))
    const off = '127.0.0.1:0'
    const { bundle } = await initServer({
      data,
      values: {
        trust_domain: 'example.org',
        public_url: 'https://id.example.org',
        listen: { https: off, status: off, health: off },
        ...values,
      },
      admin: { uid: process.getuid?.() ?? 0, name: 'admin' },
    })
    const logged: string[] = []
    const log = new JsonLog({ level: 'debug', destination: { write: (line) => logged.push(line) } })
    return new TestHouse({
      data,
      server: await startServer(loadConfig({ data, environment: {} }), log),
      logged,
      bundle,
    })
  }

  /** A server on a folder that was made ready otherwise. */
  static async open(data: string): Promise<TestHouse> {
    const logged: string[] = []
    const log = new JsonLog({ level: 'debug', destination: { write: (line) => logged.push(line) } })
    const server = await startServer(loadConfig({ data, environment: {} }), log)
    return new TestHouse({ data, server, logged, bundle: '' })
  }

  /** Another replica on the same database, with keys and configuration of this one. */
  async replica(number: number): Promise<TestHouse> {
    const data = mkdtempSync(join(tmpdir(), 'writ-'))
    cpSync(this.data, data, { recursive: true, filter: (name) => !name.endsWith('.sock') })
    const logged: string[] = []
    const log = new JsonLog({ level: 'debug', destination: { write: (line) => logged.push(line) } })
    const environment = { WRIT_REPLICA_NAME: `replica-${String(number)}`, WRIT_REPLICA_NUMBER: String(number) }
    const server = await startServer(loadConfig({ data, environment }), log)
    return new TestHouse({ data, server, logged, bundle: this.bundle })
  }

  /** Stops the server, and starts it again on what it has stored, at the port where it was. */
  async restart(between: () => Promise<void> = () => Promise.resolve()): Promise<TestHouse> {
    const { data, logged, bundle, port } = this
    await this.server.stop()
    await between()
    const log = new JsonLog({ level: 'debug', destination: { write: (line) => logged.push(line) } })
    const environment = { WRIT_LISTEN_HTTPS: `127.0.0.1:${String(port)}` }
    const server = await startServer(loadConfig({ data, environment }), log)
    return new TestHouse({ data, server, logged, bundle })
  }

  get port(): number {
    return Number(new URL(this.server.addresses['https'] ?? '').port)
  }

  async stop(): Promise<void> {
    await this.server.stop()
    rmSync(this.data, { recursive: true })
  }

  /** Over HTTPS, with or without a client certificate, on a connection of its own. */
  async ask(path: string, ask: Ask = {}): Promise<Reply> {
    return askAt(this.port, path, ask)
  }

  /** Over the admin socket, as the user who runs the tests. */
  async admin(path: string, ask: Ask = {}): Promise<Reply> {
    return exchange(ask, { socketPath: join(this.data, 'admin.sock'), path, agent: false })
  }

  /** A resource and an agent that may read and pay there. */
  async register(name: string): Promise<void> {
    await this.admin('/v1/resources', {
      json: {
        audience: BILLING,
        owner: 'finance',
        spiffe_ids: [`spiffe://example.org/agent/${name}`],
        actions: ['read', 'pay'],
      },
    })
    const permissions = [{ audience: BILLING, actions: ['read', 'pay'] }]
    const added = await this.admin('/v1/agents', { json: { name, owner: 'finance', permissions } })
    if (added.status !== 201) throw new TypeError(`no agent: ${JSON.stringify(added.body)}`)
  }

  async joinToken(agent: string): Promise<string> {
    const made = await this.admin('/v1/join-tokens', { json: { agent } })
    return String(made.body['token'])
  }

  /** An enrolled instance of an agent. */
  async enroll(agent: string, more: Readonly<Record<string, unknown>> = {}): Promise<Enrolled> {
    const key = newTestKey()
    const csr = toPem('CERTIFICATE REQUEST', await createCsr(key.signer))
    const token = await this.joinToken(agent)
    const reply = await this.ask('/v1/enroll', { json: { attestor: 'join_token', evidence: { token }, csr, ...more } })
    if (reply.status !== 201) throw new TypeError(`not enrolled: ${JSON.stringify(reply.body)}`)
    const svid = reply.body as unknown as SvidAnswer
    return { key, svid, identity: identityOf(key, svid.certificate + svid.chain) }
  }
}

export interface Enrolled {
  readonly key: TestKey
  readonly svid: SvidAnswer
  readonly identity: ClientIdentity
}

export function identityOf(key: TestKey, cert: string): ClientIdentity {
  return { key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert }
}

/** Over HTTPS at a port of this machine, on a connection of its own. */
export async function askAt(port: number, path: string, ask: Ask = {}): Promise<Reply> {
  const identity = ask.as === undefined ? {} : { key: ask.as.key, cert: ask.as.cert }
  return exchange(ask, {
    host: '127.0.0.1',
    port,
    path,
    servername: 'localhost',
    rejectUnauthorized: false,
    agent: false,
    ...identity,
  })
}

async function exchange(ask: Ask, options: RequestOptions): Promise<Reply> {
  const body =
    ask.json !== undefined ? JSON.stringify(ask.json) : ((ask.form && new URLSearchParams(ask.form).toString()) ?? '')
  const type = ask.json !== undefined ? 'application/json' : 'application/x-www-form-urlencoded'
  const method = ask.method ?? (body === '' ? 'GET' : 'POST')
  const content = body === '' ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) }
  const headers = { ...ask.headers, ...content }
  const send = 'socketPath' in options ? httpRequest : httpsRequest
  const request = send({ ...options, method, headers })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('utf8')
  const parsed = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : { text }
  return { status: response.statusCode ?? 0, headers: response.headers, body: parsed }
}
