import { isWritError } from '#kernel/errors.ts'
import { parseJson, type JsonValue } from '#kernel/json.ts'
import { receiverError } from './errors.ts'

/** Asks whether a token is still active. Whatever it answers but `active: true` denies; so does a rejection. */
export type Introspect = (token: string) => Promise<{ readonly active?: unknown }>

/** The part of `fetch` that is needed; it must present the receiver's own certificate and have a time limit. */
export type PostForm = (
  url: string,
  init: { readonly method: 'POST'; readonly headers: Readonly<Record<string, string>>; readonly body: string },
) => Promise<{ readonly status: number; text(): Promise<string> }>

/** RFC 7662 over the receiver's own mTLS identity. A completed or revoked task is refused at the next request. */
export function introspectAt(url: string, post: PostForm): Introspect {
  const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }
  return async (token) => {
    const response = await post(url, { method: 'POST', headers, body: new URLSearchParams({ token }).toString() })
    if (response.status !== 200)
      throw receiverError('RECEIVER_INTROSPECTION_FAILED', { details: { status: response.status } })
    return { active: isActive(parseAnswer(await response.text())) }
  }
}

function parseAnswer(text: string): JsonValue {
  try {
    return parseJson(text)
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw receiverError('RECEIVER_INTROSPECTION_FAILED', { cause })
  }
}

function isActive(answer: JsonValue): boolean {
  return typeof answer === 'object' && answer !== null && Object.entries(answer).some(isTrueActive)
}

function isTrueActive([member, value]: [string, JsonValue]): boolean {
  return member === 'active' && value === true
}
