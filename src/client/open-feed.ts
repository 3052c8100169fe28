import { request } from 'undici'
import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { clientError } from './errors.ts'
import { refusalOf, type ApiCall, type ApiOrigin } from './api-call.ts'

export interface FeedRequest {
  /** The position to go on behind; undefined for everything that is in force. */
  readonly lastEventId: string | undefined
  /** Ends the stream, and the connection with it. */
  readonly signal: AbortSignal
}

/** The call that opens the feed. */
export function feedCall({ lastEventId }: FeedRequest): ApiCall {
  const headers = {
    accept: 'text/event-stream',
    ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
  }
  return { method: 'GET', path: '/v1/feed', headers }
}

/**
 * Opens `GET /v1/feed`, and gives the octets of the answer as they come.
 * @throws the server's own code when it refuses; SERVER_UNREACHABLE, SERVER_ANSWER_INVALID, and whatever the
 * connection's verification threw
 */
export async function openFeed(target: ApiOrigin, call: ApiCall, signal: AbortSignal): Promise<AsyncIterable<Bytes>> {
  const { statusCode, headers, body } = await request(new URL(call.path, target.origin), {
    dispatcher: target.dispatcher,
    method: call.method,
    headers: call.headers ?? {},
    signal,
  }).catch((cause: unknown) => {
    const ours = [cause, cause instanceof Error ? cause.cause : null].find((error) => isWritError(error))
    throw isWritError(ours) ? ours : clientError('SERVER_UNREACHABLE', { cause })
  })
  if (statusCode !== 200) throw await refusalOf(statusCode, body)
  if (String(headers['content-type']).split(';', 1)[0] !== 'text/event-stream') {
    body.destroy()
    throw clientError('SERVER_ANSWER_INVALID', { message: 'the feed is no stream of events' })
  }
  return body as AsyncIterable<Bytes>
}
