import type { Dispatcher } from 'undici'
import type { Bytes } from '#kernel/bytes.ts'
import { fromRfc3339, type Instant } from '#kernel/instant.ts'
import type { JsonValue } from '#kernel/json.ts'
import { Secret } from '#kernel/secret.ts'
import {
  ACCESS_TOKEN_TYPE,
  BUNDLE_SEQUENCE_HEADER,
  ID_TOKEN_TYPE,
  introspectionAnswer,
  JWT_TYPE,
  jwtSvidAnswer,
  parseAnswer,
  svidAnswer,
  taskList,
  taskView,
  TOKEN_EXCHANGE_GRANT,
  tokenAnswer,
  type AuthorizationDetailDocument,
  type IntrospectionAnswer,
  type TaskView,
} from '#wire/index.ts'
import { createCsr, toPem } from '#x509/index.ts'
import { callApi, type ApiCall } from './api-call.ts'
import { credentialOf, verifiedAgent } from './connect.ts'
import { identityFrom } from './enroll.ts'
import { anchorsOf, bundleOf, type Identity } from './identity.ts'
import { signerOf, type IdentityKey } from './identity-key.ts'
import { feedCall, openFeed, type FeedRequest } from './open-feed.ts'
import { openTask, type OpenTaskOptions } from './open-task.ts'
import { patiently } from './patience.ts'
import { askForAdvice, fetchBundle, type RenewalAdvice } from './public-documents.ts'
import { serverExpectation } from './server-trust.ts'
import { SignedCalls, type Means } from './signed-calls.ts'

/**
 * A minutes-long token. It is bound to the certificate that asked for it, and only a connection with that certificate
 * may carry it; or, where the key is in hardware, to that key, and only a request that it has signed may carry it.
 */
export interface TaskToken {
  readonly token: Secret<string>
  readonly expiresAt: Instant
  readonly scope: string
  readonly authorizationDetails: readonly AuthorizationDetailDocument[]
}

export interface ExchangeOptions {
  readonly task: string
  /** An ID token of the user whom the task is for, in place of our own JWT-SVID; it is good for this once. */
  readonly subjectToken?: Secret<string>
  readonly resource: string
  readonly scope?: string
  readonly authorizationDetails?: readonly AuthorizationDetailDocument[]
}

export interface NarrowOptions extends Omit<ExchangeOptions, 'task' | 'subjectToken'> {
  readonly from: TaskToken
}

/** How a session reaches its server; read anew for each call. */
export interface Home {
  readonly dispatcher: Dispatcher
  /** Of the bundle that is in use, which the server is told; undefined when it has none. */
  readonly sequence: bigint | undefined
}

/** What one identity may ask of its server, over connections that carry its certificate or by calls that it signs. */
export class Session {
  readonly identity: Identity
  readonly #home: Home
  readonly #now: () => Instant
  /** Null where the connections carry the certificate. */
  readonly #signed: SignedCalls | null

  /** @throws KEY_IN_HARDWARE when the key is, and the server has given no WIT-SVID for it */
  constructor(identity: Identity, home: Home, means: Means) {
    this.identity = identity
    this.#home = home
    this.#now = () => means.clock.now()
    this.#signed = credentialOf(identity).credential === undefined ? new SignedCalls(identity, means) : null
  }

  async #call(call: ApiCall): Promise<JsonValue> {
    return patiently(
      async () => this.#send(this.#signed === null ? call : await this.#signed.signed(call, await this.#issuer())),
      { isHome: true },
    )
  }

  /** A call whose answer is a token: bound to the certificate of the connection, or to the key that has signed. */
  async #callForToken(form: Readonly<Record<string, string>>): Promise<JsonValue> {
    const call: ApiCall = { method: 'POST', path: '/oauth2/token', form }
    if (this.#signed === null) return this.#call(call)
    return this.#signed.bound(call, await this.#issuer(), (bound) => this.#call(bound))
  }

  #send(call: ApiCall): Promise<JsonValue> {
    const { dispatcher, sequence } = this.#home
    return callApi({ dispatcher, origin: this.identity.server }, reporting(call, sequence))
  }

  /** A new certificate of the same lineage; for the same key unless another is given. */
  async renew(key: IdentityKey = this.identity.key): Promise<Identity> {
    const csr = toPem('CERTIFICATE REQUEST', await createCsr(signerOf(key)))
    const answer = await this.#call({
      method: 'POST',
      path: '/v1/renew',
      json: { csr, ...(key.kind === 'hardware' ? { wit: true } : {}) },
    })
    return identityFrom(this.identity.server, key, parseAnswer(svidAnswer, answer))
  }

  async jwtSvid(audience: string): Promise<{ readonly token: Secret<string>; readonly expiresAt: Instant }> {
    const answer = parseAnswer(
      jwtSvidAnswer,
      await this.#call({ method: 'POST', path: '/v1/jwt-svid', json: { audience: [audience] } }),
    )
    return { token: new Secret(answer.token), expiresAt: fromRfc3339(answer.expires_at) }
  }

  openTask(options: OpenTaskOptions): Promise<TaskView> {
    return openTask((call) => this.#call(call), options)
  }

  async showTask(id: string): Promise<TaskView> {
    return parseAnswer(taskView, await this.#call({ method: 'GET', path: taskPath(id) }))
  }

  /** Every task of ours, oldest first. */
  async listTasks(): Promise<readonly TaskView[]> {
    const tasks: TaskView[] = []
    for (let after: string | null = ''; after !== null;) {
      const query: string = after === '' ? '?limit=1000' : `?limit=1000&after=${encodeURIComponent(after)}`
      const page = parseAnswer(taskList, await this.#call({ method: 'GET', path: `/v1/tasks${query}` }))
      tasks.push(...page.items)
      after = page.next
    }
    return tasks
  }

  async completeTask(id: string): Promise<TaskView> {
    return parseAnswer(taskView, await this.#call({ method: 'POST', path: `${taskPath(id)}/complete`, json: {} }))
  }

  async revokeTask(id: string): Promise<TaskView> {
    return parseAnswer(taskView, await this.#call({ method: 'POST', path: `${taskPath(id)}/revoke`, json: {} }))
  }

  /**
   * *Start* (RFC 8693 with our own JWT-SVID, or an ID token of the user, as subject token): a task token for one resource
   * under a task.
   */
  async exchange(options: ExchangeOptions): Promise<TaskToken> {
    const { subjectToken } = options
    const proof = subjectToken ?? (await this.jwtSvid(await this.#issuer())).token
    return this.#exchange({
      subject_token: proof.reveal(),
      subject_token_type: subjectToken === undefined ? JWT_TYPE : ID_TOKEN_TYPE,
      task_id: options.task,
      ...target(options),
    })
  }

  /** *Narrow*: a token with less authority than `from`, for the same audience. */
  async narrow(options: NarrowOptions): Promise<TaskToken> {
    return this.#exchange({
      subject_token: options.from.token.reveal(),
      subject_token_type: ACCESS_TOKEN_TYPE,
      ...target(options),
    })
  }

  async #exchange(parameters: Readonly<Record<string, string>>): Promise<TaskToken> {
    const form = { grant_type: TOKEN_EXCHANGE_GRANT, client_id: this.identity.spiffeId.toString(), ...parameters }
    const asked = this.#now()
    const answer = parseAnswer(tokenAnswer, await this.#callForToken(form))
    return {
      token: new Secret(answer.access_token),
      expiresAt: (asked + answer.expires_in * 1000) as Instant,
      scope: answer.scope ?? '',
      authorizationDetails: answer.authorization_details,
    }
  }

  /** Asks whether a token presented to us is alive (RFC 7662); only for tokens of our own audiences. */
  async introspect(token: string): Promise<IntrospectionAnswer> {
    return parseAnswer(
      introspectionAnswer,
      await this.#call({ method: 'POST', path: '/oauth2/introspect', form: { token } }),
    )
  }

  /** Revokes one of our own tokens and everything derived from it (RFC 7009). */
  async revokeToken(token: TaskToken): Promise<void> {
    const form = { token: token.token.reveal(), client_id: this.identity.spiffeId.toString() }
    await this.#call({ method: 'POST', path: '/oauth2/revoke', form })
  }

  /** The keys that task tokens are signed with (RFC 7517). */
  async fetchJwks(): Promise<string> {
    return JSON.stringify(await this.#call({ method: 'GET', path: '/oauth2/jwks' }))
  }

  /** The newest SPIFFE bundle document of our trust domain. */
  async fetchBundle(): Promise<string> {
    return fetchBundle((call) => this.#call(call))
  }

  /** When the server would like the certificate renewed. */
  renewalAdvice(): Promise<RenewalAdvice> {
    return askForAdvice((call) => this.#call(call), this.identity)
  }

  /** The live feed of what was revoked, for the audiences that we may act for: `openFeed` of a receiver's live view. */
  async openFeed(request: FeedRequest): Promise<AsyncIterable<Bytes>> {
    const call = feedCall(request)
    const signed = this.#signed === null ? call : await this.#signed.signed(call, await this.#issuer())
    return openFeed({ dispatcher: this.#home.dispatcher, origin: this.identity.server }, signed, request.signal)
  }

  #knownIssuer: string | undefined

  /** `aud` of the proof is the issuer identifier, which metadata names (RFC 8414); the origin may be an alias. */
  async #issuer(): Promise<string> {
    if (this.#knownIssuer !== undefined) return this.#knownIssuer
    const metadata = await this.#send({ method: 'GET', path: '/.well-known/oauth-authorization-server' })
    const issuer =
      metadata !== null && typeof metadata === 'object' && 'issuer' in metadata ? metadata['issuer'] : undefined
    this.#knownIssuer = typeof issuer === 'string' ? issuer : this.identity.server
    return this.#knownIssuer
  }
}

/** Says with a call which bundle the caller holds, so that a rotation waits for it. */
export function reporting(call: ApiCall, sequence: bigint | undefined): ApiCall {
  if (sequence === undefined) return call
  return { ...call, headers: { ...call.headers, [BUNDLE_SEQUENCE_HEADER]: String(sequence) } }
}

function taskPath(id: string): string {
  return `/v1/tasks/${encodeURIComponent(id)}`
}

function target(options: Omit<ExchangeOptions, 'task'>): Record<string, string> {
  return {
    resource: options.resource,
    ...(options.scope === undefined ? {} : { scope: options.scope }),
    ...(options.authorizationDetails === undefined
      ? {}
      : { authorization_details: JSON.stringify(options.authorizationDetails) }),
  }
}

/** Opens a session for an identity, uses it, and closes its connections. */
export async function withSession<Value>(
  identity: Identity,
  means: Means,
  use: (session: Session) => Promise<Value>,
): Promise<Value> {
  const anchors = anchorsOf(identity)
  const agent = verifiedAgent({
    trust: () => ({ kind: 'anchors', anchors }),
    expectation: serverExpectation,
    ...credentialOf(identity),
    clock: means.clock,
  })
  try {
    return await use(new Session(identity, { dispatcher: agent, sequence: bundleOf(identity).sequence }, means))
  } finally {
    await agent.close()
  }
}
