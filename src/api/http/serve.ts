import type { IncomingMessage } from 'node:http'
import { newId } from '#kernel/ids.ts'
import { SECOND } from '#kernel/instant.ts'
import type { WritError } from '#kernel/errors.ts'
import { renderFailure, typedError } from './answer.ts'
import { readBody } from './body.ts'
import { enter, reenter, type ServeOptions, type Visit, type Visitor } from './door.ts'
import { failureOf } from './failures.ts'
import type { RequestEntry } from './ports.ts'
import { Stream, type Answer, type Live } from './route.ts'
import { sendStream } from './streams.ts'

/** How long an answered request may go on sending what nobody reads. */
const LINGER = SECOND

/** One request: who calls, may they come in, what do they want, do it, say what came of it. Never rejects. */
export async function serve(options: ServeOptions, visit: Visit): Promise<void> {
  const { clock, log, metrics } = options
  const started = clock.monotonic()
  const requestId = newId('request', clock.now(), options.random)
  const visitor: Visitor = { name: 'anonymous', address: visit.request.socket.remoteAddress ?? 'local' }
  try {
    const { answer, code: refusal } = await outcomeOf(options, visit, { visitor, requestId })
    const code = (await deliver(options, visit, { answer, requestId })) ?? refusal
    const { name: caller, address } = visitor
    const { method, path: route } = visit.route
    const duration = clock.monotonic() - started
    const entry: RequestEntry = { requestId, method, route, status: answer.status, duration, caller, address, code }
    log.request(entry)
    metrics.observe(entry)
  } catch (error) {
    // What cannot even be answered must end neither the process nor in silence.
    visit.response.destroy()
    log.failure(requestId, typedError(error))
  }
}

/** Sends the answer; the code of the failure that ended a stream, null where nothing did. */
async function deliver(
  options: ServeOptions,
  visit: Visit,
  { answer, requestId }: { readonly answer: Answer; readonly requestId: string },
): Promise<string | null> {
  const { response } = visit
  if (!(answer.body instanceof Stream)) {
    send(visit, answer, requestId)
    return null
  }
  if (!response.destroyed) response.writeHead(answer.status, headersOf(answer, requestId, { connection: 'close' }))
  try {
    await sendStream(response, answer.body)
    return null
  } catch (caught) {
    // The status has been sent: all that can be said is that it is over.
    const error = typedError(caught)
    response.destroy()
    if (!isForbidden(error)) options.log.failure(requestId, error)
    return error.code
  }
}

/** The header comes as text or not at all: the parser of Node joins what is repeated. */
function liveOf(options: ServeOptions, visit: Visit, visitor: Visitor): Live {
  const { 'last-event-id': lastEventId } = visit.request.headers
  return {
    lastEventId: typeof lastEventId === 'string' ? lastEventId : null,
    again: () => reenter(options, visit, visitor),
    signal: options.streams.enter(visitor.name, visit.response),
  }
}

interface Outcome {
  readonly answer: Answer
  readonly code: string | null
}

async function outcomeOf(
  options: ServeOptions,
  visit: Visit,
  { visitor, requestId }: { readonly visitor: Visitor; readonly requestId: string },
): Promise<Outcome> {
  try {
    return { answer: await answerOf(options, visit, visitor), code: null }
  } catch (caught) {
    const error = typedError(caught)
    const answer = failureAnswer(options, visit, { error, requestId })
    if (answer.status >= 500 || error.cause !== undefined) options.log.failure(requestId, error)
    return { answer, code: error.code }
  }
}

async function answerOf(options: ServeOptions, visit: Visit, visitor: Visitor): Promise<Answer> {
  const { flows } = options
  const { request, route, path } = visit
  const caller = await enter(options, visit, visitor)
  const body = await readBody(request, route)
  const query = (request.url ?? '').split('?').slice(1).join('?')
  const accept = request.headers.accept ?? ''
  const ifNoneMatch = request.headers['if-none-match'] ?? ''
  const dpop = request.headersDistinct['dpop'] ?? []
  const head = { method: request.method ?? '', target: request.url ?? '', headers: request.headersDistinct }
  try {
    const live = (): Live => liveOf(options, visit, visitor)
    const { address } = visitor
    return await route.run(flows, { caller, body, query, path, address, accept, ifNoneMatch, dpop, head, live })
  } catch (error) {
    // A story writes down whom it refuses, but cannot know how often somebody without a name tries.
    if (visitor.name === 'anonymous' && isForbidden(error)) {
      await flows.recordRefusal({ caller, operation: route.id, error: typedError(error) })
    }
    throw error
  }
}

function isForbidden(error: unknown): boolean {
  const status = failureOf(typedError(error).code)?.status
  return status === 401 || status === 403
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
  if (body instanceof Stream) return
  const isJson = body !== null && typeof body === 'object' && !(body instanceof Uint8Array)
  const payload = isJson ? Buffer.from(JSON.stringify(body)) : body === null ? Buffer.alloc(0) : Buffer.from(body)
  const type = isJson ? { 'content-type': 'application/json' } : {}
  response.writeHead(answer.status, {
    ...headersOf(answer, requestId, type),
    // What has not changed is not sent, and has the length that it had.
    ...(answer.status === 304 ? {} : { 'content-length': payload.length }),
  })
  response.end(payload)
  if (!request.complete) linger(request)
}

function headersOf(
  { headers }: Answer,
  requestId: string,
  more: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    ...more,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
    ...headers,
  }
}

/** The rest of a refused body is thrown away for a moment, so that the client reads the answer and no reset. */
function linger(request: IncomingMessage): void {
  request.resume()
  const timer = setTimeout(() => {
    if (!request.complete) request.socket.destroy()
  }, LINGER)
  timer.unref()
}
