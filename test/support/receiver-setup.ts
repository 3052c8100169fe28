import { Agent, createServer, request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TlsOptions } from 'node:tls'
import { encodeJwks, PreparedHeader, signCompact, taskTokenToJson, type TaskTokenClaims } from '#jwt/index.ts'
import {
  createReceiver,
  staticTrust,
  type Receiver,
  type ReceiverOptions,
  type TrustDocuments,
} from '#receiver/index.ts'
import { Bundle, encodeBundle, TrustDomain, type SpiffeId } from '#spiffe/index.ts'
import { toPem } from '#x509/index.ts'
import { certificateThumbprint } from '#jwt/index.ts'
import { FakeClock } from '../fakes/clock.ts'
import { newTestKey } from './keys.ts'
import { TestAuthority, type TestLeaf } from './test-authority.ts'
import { AUDIENCE, CLASSIFIER, ISSUER, NOW, taskTokenClaims } from './tokens.ts'

export const TRUST_DOMAIN = TrustDomain.parse('example.org')

/** An authority, the issuer's token key, and what a receiver needs to trust both. */
export class ReceiverSetup {
  readonly clock = new FakeClock(NOW)
  readonly issuerKey = newTestKey()
  readonly authority: TestAuthority

  private constructor(authority: TestAuthority) {
    this.authority = authority
  }

  static async create(): Promise<ReceiverSetup> {
    return new ReceiverSetup(await TestAuthority.create(TRUST_DOMAIN, NOW))
  }

  documents(sequence = 1n, authorities: readonly TestAuthority[] = [this.authority]): TrustDocuments {
    const entries = authorities.map(({ certificate }) => ({ use: 'x509-svid' as const, certificate }))
    return {
      bundle: encodeBundle(new Bundle({ trustDomain: TRUST_DOMAIN, entries, sequence, refreshHint: 60 })),
      jwks: JSON.stringify(encodeJwks([this.issuerKey.verificationKey])),
    }
  }

  receiver(changes: Partial<ReceiverOptions> = {}): Receiver {
    return createReceiver({
      audience: AUDIENCE,
      issuer: ISSUER,
      trust: staticTrust(TRUST_DOMAIN, this.documents()),
      allow: ['spiffe://example.org/agent/classifier'],
      clock: this.clock,
      ...changes,
    })
  }

  /** A task token bound to the certificate of a leaf. */
  async token(leaf: TestLeaf, changes: Partial<TaskTokenClaims> = {}): Promise<string> {
    const thumbprint = certificateThumbprint(leaf.certificate)
    const claims = taskTokenClaims({ confirmation: { method: 'x5t#S256', thumbprint }, ...changes })
    const header = new PreparedHeader('task-token', 'ES256', this.issuerKey.kid)
    return signCompact(header, taskTokenToJson(claims), this.issuerKey.signer)
  }

  async agent(id: SpiffeId = CLASSIFIER): Promise<TestLeaf> {
    return this.authority.issue(id)
  }
}

export function pemOf(leaf: TestLeaf): { readonly cert: string; readonly key: string } {
  return {
    cert: toPem('CERTIFICATE', leaf.certificate),
    key: leaf.key.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

export interface Answer {
  readonly status: number
  readonly challenge: string | undefined
  readonly body: Record<string, unknown>
}

/** A real TLS server on the loopback, and clients for it. */
export class LoopbackServer {
  readonly port: number
  readonly #close: () => Promise<void>

  private constructor(port: number, close: () => Promise<void>) {
    this.port = port
    this.#close = close
  }

  static async listen(
    options: TlsOptions,
    handler: (request: IncomingMessage, response: ServerResponse) => void,
  ): Promise<LoopbackServer> {
    const server = createServer(options, handler)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const close = (): Promise<void> =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      })
    return new LoopbackServer((server.address() as AddressInfo).port, close)
  }

  /** One connection, kept alive for as long as the agent lives. */
  client(leaf: TestLeaf | undefined): Agent {
    const identity = leaf === undefined ? {} : pemOf(leaf)
    return new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, ...identity })
  }

  async get(
    agent: Agent,
    path: string,
    authorization?: string | readonly string[],
    more: Readonly<Record<string, string | string[]>> = {},
  ): Promise<Answer> {
    const headers: Record<string, string | string[]> = { ...more }
    if (authorization !== undefined)
      headers['authorization'] = typeof authorization === 'string' ? authorization : [...authorization]
    return new Promise((resolve, reject) => {
      const call = httpsRequest({ agent, host: '127.0.0.1', port: this.port, path, headers }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('end', () => {
          const isJson = response.headers['content-type']?.startsWith('application/json') === true
          const body = isJson ? (JSON.parse(text) as Record<string, unknown>) : { text }
          resolve({ status: response.statusCode ?? 0, challenge: response.headers['www-authenticate'], body })
        })
      })
      call.on('error', reject).end()
    })
  }

  async close(): Promise<void> {
    await this.#close()
  }
}
