import type { Clock } from '#kernel/clock.ts'
import { parseJson, type JsonObject, type JsonValue } from '#kernel/json.ts'
import { streamApi } from './api-call.ts'
import { credentialOf, verifiedAgent } from './connect.ts'
import { clientError } from './errors.ts'
import { anchorsOf, type Identity } from './identity.ts'
import { serverExpectation } from './server-trust.ts'

/** One event of the feed of revocations. */
export interface FeedNotice {
  readonly event: string
  /** Where it says one: what to continue from. */
  readonly id: string | null
  readonly data: JsonObject
}

/** No event of the feed is longer. */
const MOST_WAITING = 64 * 1024

/**
 * The feed as the identity hears it, for as long as the server goes on. Who relies on it takes `writ/receiver`, which
 * knows when its view is too old.
 * @throws the server's code when it refuses, SERVER_UNREACHABLE, SERVER_ANSWER_INVALID
 */
export async function* followFeed(
  identity: Identity,
  { clock, from }: { readonly clock: Clock; readonly from?: string },
): AsyncGenerator<FeedNotice> {
  const anchors = anchorsOf(identity)
  const trust = () => ({ kind: 'anchors', anchors }) as const
  const dispatcher = verifiedAgent({ trust, expectation: serverExpectation, ...credentialOf(identity), clock })
  const headers = { accept: 'text/event-stream', ...(from === undefined ? {} : { 'last-event-id': from }) }
  const call = { method: 'GET', path: '/v1/feed', headers } as const
  try {
    let rest = ''
    for await (const chunk of streamApi({ dispatcher, origin: identity.server }, call)) {
      const blocks = (rest + chunk).split('\n\n')
      rest = blocks.pop() ?? ''
      if (rest.length > MOST_WAITING) throw clientError('SERVER_ANSWER_INVALID')
      for (const block of blocks) yield noticeOf(block)
    }
  } finally {
    await dispatcher.destroy()
  }
}

function noticeOf(block: string): FeedNotice {
  const fields = new Map(
    block.split('\n').map((line): [string, string] => {
      const [name = '', ...value] = line.split(': ')
      return [name, value.join(': ')]
    }),
  )
  return { event: fields.get('event') ?? 'message', id: fields.get('id') ?? null, data: objectOf(fields.get('data')) }
}

function objectOf(text = ''): JsonObject {
  let value: JsonValue
  try {
    value = parseJson(text)
  } catch (cause) {
    throw clientError('SERVER_ANSWER_INVALID', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw clientError('SERVER_ANSWER_INVALID')
  return value as JsonObject
}
