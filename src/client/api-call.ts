import { request, type Dispatcher } from 'undici'
import { isWritError, WritError } from '#kernel/errors.ts'
import { parseJson, type JsonObject, type JsonValue } from '#kernel/json.ts'
import { clientError } from './errors.ts'

export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'PATCH'
  readonly path: string
  readonly json?: JsonObject
  readonly form?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  /** Told of the headers of the answer, whatever its status. */
  readonly answered?: (header: (name: string) => string | undefined) => void
}

export interface ApiOrigin {
  readonly dispatcher: Dispatcher
  /** `https://host:port`, or `http://localhost` behind a dispatcher for a unix socket. */
  readonly origin: string
}

const MAX_ANSWER = 8 * 1024 * 1024

/**
 * One call to a Writ server.
 * @throws the server's own code and sentence when it refuses; SERVER_UNREACHABLE, SERVER_ANSWER_INVALID, and whatever
 * the connection's verification threw
 */
export async function callApi(target: ApiOrigin, call: ApiCall): Promise<JsonValue> {
  const answer = await send(target, call)
  call.answered?.((name) => [answer.headers[name]].flat()[0])
  const body = await readBody(answer)
  if (answer.statusCode >= 200 && answer.statusCode < 300) return body === '' ? null : parse(body)
  throw refusal(answer.statusCode, body)
}

async function send(target: ApiOrigin, call: ApiCall): Promise<Dispatcher.ResponseData> {
  try {
    return await request(new URL(call.path, target.origin), {
      dispatcher: target.dispatcher,
      method: call.method,
      headers: { accept: 'application/json', ...contentType(call), ...call.headers },
      body: call.json === undefined ? formBody(call) : JSON.stringify(call.json),
    })
  } catch (cause) {
    const verified = failureOfOurs(cause)
    if (verified !== null) throw verified
    throw clientError('SERVER_UNREACHABLE', { cause, message: reasonOf(cause) })
  }
}

/** undici may wrap what the connector threw; the typed error is what the caller must see. */
function failureOfOurs(error: unknown): WritError | null {
  if (isWritError(error)) return error
  return error instanceof Error && isWritError(error.cause) ? error.cause : null
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'the connection failed'
}

function contentType(call: ApiCall): Record<string, string> {
  if (call.json !== undefined) return { 'content-type': 'application/json' }
  return call.form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }
}

function formBody(call: ApiCall): string | null {
  return call.form === undefined ? null : new URLSearchParams(call.form).toString()
}

/** What a server said that did not answer as it was asked. @throws SERVER_ANSWER_INVALID */
export async function refusalOf(status: number, body: Dispatcher.ResponseData['body']): Promise<WritError> {
  return refusal(status, await readBody({ body }))
}

async function readBody({ body }: Pick<Dispatcher.ResponseData, 'body'>): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > MAX_ANSWER) throw clientError('SERVER_ANSWER_INVALID', { message: 'the answer is too large' })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(body: string): JsonValue {
  try {
    return parseJson(body, { maxBytes: MAX_ANSWER, maxDepth: 32 })
  } catch (cause) {
    throw clientError('SERVER_ANSWER_INVALID', { cause })
  }
}

/** RFC 9457 problems and RFC 6749 errors both become the server's own code. */
function refusal(status: number, body: string): WritError {
  const problem = problemOf(body)
  const code = text(problem['code']) ?? text(problem['error_code']) ?? text(problem['error'])
  const sentence = text(problem['detail']) ?? text(problem['error_description']) ?? text(problem['title'])
  const details = { status, request_id: text(problem['request_id']) ?? '' }
  if (code === undefined) return clientError('REQUEST_REFUSED', { details, message: `status ${String(status)}` })
  return new WritError(code, sentence ?? 'The server refused the request.', { details })
}

function problemOf(body: string): Readonly<Record<string, JsonValue | undefined>> {
  try {
    const value = parseJson(body)
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : {}
  } catch {
    return {}
  }
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}
