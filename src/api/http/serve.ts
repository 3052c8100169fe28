import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller } from '#authentication/index.ts'
import type { Clock } from '#kernel/clock.ts'
import { newId } from '#kernel/ids.ts'
import { SECOND } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import type { WritError } from '#kernel/errors.ts'
import { renderFailure, typedError } from './answer.ts'
import { readBody } from './body.ts'
import { admit } from './callers.ts'
import { httpError } from './errors.ts'
import { failureOf } from './failures.ts'
import type { Flows } from './flows.ts'
import { prefixOf, type RateLimit } from './gcra.ts'
import type { PeerOf } from './peer.ts'
import type { RequestEntry, RequestLog, RequestMetrics } from './ports.ts'
import type { Answer, Route } from './route.ts'

export interface Limits {
  /** For those whom nobody has authenticated, by network prefix. */
  readonly address: RateLimit
  /** For the others, by name. */
  readonly identity: RateLimit
}

export interface ServeOptions {
  readonly flows: Flows
  readonly clock: Clock
  readonly random: Random
  readonly log: RequestLog
  readonly metrics: RequestMetrics
  readonly limits: Limits
  readonly peerOf: PeerOf
  /** The trust domain, for challenges. */
  readonly realm: string
}

/** A request on its way to a route; `path` holds the parameters of the route's pattern. */
export interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly route: Route
  readonly path: Readonly<Record<string, string>>
}

/** How long an answered request may go on sending what nobody reads. */
const LINGER = SECOND

/** One request: who calls, may they come in, what do they want, do it, say what came of it. Never rejects. */
export async function serve(options: ServeOptions, visit: Visit): Promise<void> {
  const { clock, log, metrics } = options
  const started = clock.monotonic()
  const requestId = newId('request', clock.now(), options.random)
  const visitor: Visitor = { name: 'anonymous', address: visit.request.socket.remoteAddress ?? 'local' }
  let code: string | null = null
  let answer: Answer
  try {
    answer = await answerOf(options, visit, visitor)
  } catch (caught) {
    const error = typedError(caught)
    code = error.code
    answer = failureAnswer(options, visit, { error, requestId })
    if (answer.status >= 500 || error.cause !== undefined) log.failure(requestId, error)
  }
  send(visit, answer, requestId)
  const { name, address } = visitor
  const { method, path: route } = visit.route
  const duration = clock.monotonic() - started
  const entry: RequestEntry = { requestId, method, route, status: answer.status, duration, caller: name, address, code }
  log.request(entry)
  metrics.observe(entry)
}

/** Who it turned out to be, for the log. */
interface Visitor {
  name: string
  address: string
}

async function answerOf(options: ServeOptions, visit: Visit, visitor: Visitor): Promise<Answer> {
  const { flows } = options
  const { request, route, path } = visit
  const caller = await callerOf(options, visit, visitor)
  const body = await readBody(request, route)
  const query = (request.url ?? '').split('?').slice(1).join('?')
  const accept = request.headers.accept ?? ''
  return await route.run(flows, { caller, body, query, path, address: visitor.address, accept })
}

/** Limits before cryptography; a refusal here is written down as every other denial is. */
async function callerOf(options: ServeOptions, visit: Visit, visitor: Visitor): Promise<Caller> {
  const { flows, peerOf } = options
  const { route, request } = visit
  const prefix = prefixOf(visitor.address)
  const isLocal = request.socket.remoteAddress === undefined
  if (!isLocal) checkWait(options.limits.address.wait(prefix, options.clock.monotonic()))
  let caller: Caller | null = null
  try {
    const peer = peerOf(request)
    caller =
      route.authentication === 'renewal' ? await flows.authenticateForRenewal(peer) : await flows.authenticate(peer)
    visitor.name = caller.name
    admit(caller, route)
  } catch (error) {
    // A failure of ours is no denial, and must not eat up the limit of a caller who did nothing wrong.
    if ((failureOf(typedError(error).code)?.status ?? 500) < 500) {
      if (!isLocal && visitor.name === 'anonymous') takeFrom(options, 'address', prefix)
      await flows.recordRefusal({ caller, operation: route.id, error: typedError(error) })
    }
    throw error
  }
  if (isLocal) return caller
  const isKnown = caller.identity.kind !== 'anonymous'
  checkWait(isKnown ? takeFrom(options, 'identity', caller.name) : takeFrom(options, 'address', prefix))
  return caller
}

function takeFrom(options: ServeOptions, limit: keyof Limits, key: string): number {
  return options.limits[limit].take(key, options.clock.monotonic())
}

function checkWait(wait: number): void {
  if (wait > 0) throw httpError('RATE_LIMITED', { details: { retryAfter: wait / SECOND } })
}

interface Failed {
  readonly error: WritError
  readonly requestId: string
}

function failureAnswer(options: ServeOptions, visit: Visit, { error, requestId }: Failed): Answer {
  const scheme = /^[A-Za-z][A-Za-z0-9-]{0,31}(?= |$)/.exec(visit.request.headers.authorization ?? '')?.[0] ?? null
  return renderFailure(error, { style: visit.route.errors, requestId, realm: options.realm, scheme })
}

function send(visit: Visit, answer: Answer, requestId: string): void {
  const { request, response } = visit
  if (response.destroyed) return
  const { body } = answer
  const isJson = body !== null && typeof body === 'object' && !(body instanceof Uint8Array)
  const payload = isJson ? Buffer.from(JSON.stringify(body)) : body === null ? Buffer.alloc(0) : Buffer.from(body)
  response.writeHead(answer.status, {
    ...(isJson ? { 'content-type': 'application/json' } : {}),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
    ...answer.headers,
    'content-length': payload.length,
  })
  response.end(payload)
  if (!request.complete) linger(request)
}

/** The rest of a refused body is thrown away for a moment, so that the client reads the answer and no reset. */
function linger(request: IncomingMessage): void {
  request.resume()
  const timer = setTimeout(() => {
    if (!request.complete) request.socket.destroy()
  }, LINGER)
  timer.unref()
}
