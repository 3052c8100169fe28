import type { OcspReply } from '#flows/ocsp/responder.ts'
import { fromBase64, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { SECOND, type Instant } from '#kernel/instant.ts'
import { noBody, noQuery, octets } from '#wire/index.ts'
import { NO_BODY, route } from '../build-route.ts'
import type { Answer, BodyLimits, Route } from '../route.ts'

/** More than any request that is answered: what is too large for OCSP is told so in the words of OCSP (O3). */
const OCSP_BODY: BodyLimits = { maxBytes: 16 * 1024, maxDepth: 0, within: 10 * SECOND }
const BROKEN: Bytes = new Uint8Array()

const base = {
  surface: 'status',
  callers: ['anyone'],
  errors: 'problem',
  status: 200,
  hot: true,
  render,
} as const

/** RFC 6960 appendix A; RFC 9919. What a request is worth is said in the answer, always with status 200. */
export const OCSP_ROUTES: readonly Route[] = [
  route({
    ...base,
    id: 'ocsp',
    summary: 'The status of a certificate (RFC 6960): an OCSPRequest in, an OCSPResponse out',
    method: 'POST',
    path: '/ocsp',
    takes: 'ocsp',
    limits: OCSP_BODY,
    schema: { body: octets, query: noQuery, answer: null },
    flow: (flows, { body }) => flows.answerOcsp(body),
  }),
  route({
    ...base,
    id: 'ocspByGet',
    summary: 'The status of a certificate (RFC 6960): an OCSPRequest in base64, for requests up to 255 octets',
    method: 'GET',
    path: '/ocsp/{+request}',
    takes: 'nothing',
    limits: NO_BODY,
    schema: { body: noBody, query: noQuery, answer: null },
    flow: (flows, { path }) => flows.answerOcsp(requestIn(path['request'] ?? '')),
  }),
]

/**
 * Base64 has `+`, `/` and `=`, which some clients encode for a URL and some do not; those that join paths carelessly
 * begin with one slash more.
 */
function requestIn(rest: string): Bytes {
  try {
    return fromBase64(decodeURIComponent(rest).replace(/^\/+/, ''))
  } catch {
    return BROKEN
  }
}

/** RFC 9919 section 6; an answer to one client's nonce is nobody else's (RFC 9654). */
function render({ der, fresh }: OcspReply): Omit<Answer, 'status'> {
  const headers = { 'content-type': 'application/ocsp-response' }
  if (fresh === null) return { body: der, headers: { ...headers, 'cache-control': 'private, max-age=0' } }
  const { thisUpdate, nextUpdate, maxAge } = fresh
  return {
    body: der,
    headers: {
      ...headers,
      'cache-control': `max-age=${maxAge.toString()}, public, no-transform, must-revalidate`,
      'last-modified': httpDate(thisUpdate),
      expires: httpDate(nextUpdate),
      etag: `"${toHex(sha256(der))}"`,
    },
  }
}

/** RFC 9110 section 5.6.7. */
function httpDate(moment: Instant): string {
  return new Date(moment).toUTCString()
}
