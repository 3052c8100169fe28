import { fromRfc3339, HOUR, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { JsonValue } from '#kernel/json.ts'
import { formatRenewalId, parseAnswer, renewalInfo } from '#wire/index.ts'
import type { ApiCall } from './api-call.ts'
import { clientError } from './errors.ts'
import type { Identity } from './identity.ts'
import { certificatesOf } from './server-trust.ts'

type Send = (call: ApiCall) => Promise<JsonValue>

/** From when to when the server would like a certificate renewed, and when it wants to be asked again. */
export interface RenewalAdvice {
  readonly serial: string
  readonly start: Instant
  readonly end: Instant
  readonly askAgainIn: Milliseconds
}

const USUAL: Milliseconds = 300 * SECOND
const SHORTEST: Milliseconds = SECOND
const LONGEST: Milliseconds = 24 * HOUR

/** The newest SPIFFE bundle document of the server's trust domain, which anybody may have. */
export async function fetchBundle(send: Send): Promise<string> {
  return JSON.stringify(await send({ method: 'GET', path: '/bundle' }))
}

/** Renewal information (RFC 9773 section 4), which anybody may ask for. @throws SERVER_ANSWER_INVALID, ANSWER_INVALID */
export async function askForAdvice(
  send: Send,
  { chainPem, serial }: Pick<Identity, 'chainPem' | 'serial'>,
): Promise<RenewalAdvice> {
  let retryAfter: string | undefined
  const path = `/v1/renewal-info/${renewalIdOf(chainPem)}`
  const answered = (header: (name: string) => string | undefined): void => {
    retryAfter = header('retry-after')
  }
  const { suggested_window: window } = parseAnswer(renewalInfo, await send({ method: 'GET', path, answered }))
  const [start, end] = [fromRfc3339(window.start), fromRfc3339(window.end)]
  if (end <= start)
    throw clientError('SERVER_ANSWER_INVALID', { message: 'a renewal window that ends before it starts' })
  return { serial, start, end, askAgainIn: waitOf(retryAfter) }
}

/** @throws SERVER_ANSWER_INVALID for a certificate that does not name its authority's key */
function renewalIdOf(chainPem: string): string {
  const [leaf] = certificatesOf(chainPem)
  const authorityKeyId = leaf?.extension('authorityKeyIdentifier')?.keyIdentifier
  if (leaf === undefined || authorityKeyId === undefined) throw clientError('SERVER_ANSWER_INVALID')
  return formatRenewalId({ authorityKeyId, serial: leaf.serial })
}

/** What makes no sense is as good as nothing. */
function waitOf(retryAfter: string | undefined): Milliseconds {
  if (retryAfter === undefined || !/^\d{1,9}$/.test(retryAfter)) return USUAL
  return Math.min(LONGEST, Math.max(SHORTEST, Number(retryAfter) * SECOND))
}
