import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { JWK, JWTPayload } from 'jose'
import type { ForeignIssuer, Resolve } from '#adapters/outbound/index.ts'
import { TestAuthority } from './certificate-authority.ts'
import { signedBy, signingKey, type SigningKey } from './oidc.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const DISCOVERY = '/.well-known/openid-configuration'

/** A foreign issuer: a real HTTPS server under an authority of its own, and tokens that jose signs. */
export class TestIssuer {
  readonly #server: Server
  readonly authority: TestAuthority
  readonly host: string
  /** Paths that were asked for, in order. */
  readonly asked: string[] = []
  /** What is answered instead, by path. */
  readonly answers = new Map<string, Answer>()
  keys: SigningKey[] = []
  #made = 0

  private constructor(server: Server, authority: TestAuthority, host: string) {
    this.#server = server
    this.authority = authority
    this.host = host
  }

  static async start(host = 'idp.example.test'): Promise<TestIssuer> {
    const authority = await TestAuthority.create()
    const { pem, keyPem } = await authority.leaf({ dns: [host] })
    const server = createServer({ cert: pem, key: keyPem })
    const issuer = new TestIssuer(server, authority, host)
    server.on('request', (request, response) => {
      issuer.#answer(request, response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    await issuer.addKey()
    return issuer
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get issuer(): string {
    return `https://${this.host}:${String(this.port)}`
  }

  /** As the server has it once its configuration is read. */
  configured(changes: Partial<ForeignIssuer> = {}): ForeignIssuer {
    return { name: 'ci', issuer: this.issuer, ca: this.authority.pem, allowPrivate: true, ...changes }
  }

  /** How often discovery was asked for: once for each time that the keys were fetched. */
  get fetches(): number {
    return this.asked.filter((path) => path === DISCOVERY).length
  }

  async addKey(algorithm = 'RS256'): Promise<SigningKey> {
    const kid = `key-${String(this.#made++)}-${algorithm}`
    const key = await signingKey(kid, algorithm)
    this.keys.push(key)
    return key
  }

  /** The old keys are gone at once. */
  async rotate(algorithm = 'RS256'): Promise<void> {
    this.keys = []
    await this.addKey(algorithm)
  }

  get jwks(): { readonly keys: readonly JWK[] } {
    return { keys: this.keys.map(({ jwk }) => jwk) }
  }

  async sign(claims: JWTPayload, key = this.keys[0]): Promise<string> {
    if (key === undefined) throw new TypeError('the issuer has no key')
    return signedBy(key, claims)
  }

  /** Answers a path with this JSON, whatever its status. */
  say(path: string, body: unknown, status = 200): void {
    this.answers.set(path, (_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    })
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? ''
    this.asked.push(path)
    const other = this.answers.get(path)
    if (other !== undefined) {
      other(request, response)
      return
    }
    const documents: Readonly<Record<string, unknown>> = {
      [DISCOVERY]: { issuer: this.issuer, jwks_uri: `${this.issuer}/jwks`, id_token_signing_alg_values_supported: [] },
      '/jwks': this.jwks,
    }
    const document = documents[path]
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(document ?? {}))
  }
}

export const DISCOVERY_PATH = DISCOVERY

/** A resolver that leads every name to this machine. */
export const toLoopback: Resolve = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }])
