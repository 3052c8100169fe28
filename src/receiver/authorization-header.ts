import { receiverError } from './errors.ts'

/** A request; those of node:http, node:https and express have this form. */
export interface HttpRequest {
  readonly headers: {
    readonly authorization?: string | undefined
    readonly dpop?: string | readonly string[] | undefined
  }
  /** Every value of every header: node:http itself keeps only the first of several, or joins them. */
  readonly headersDistinct?: {
    readonly authorization?: readonly string[] | undefined
    readonly dpop?: readonly string[] | undefined
  }
  readonly method?: string | undefined
  readonly url?: string | undefined
  /** Of express, whose `url` loses what the application is mounted under. */
  readonly originalUrl?: string | undefined
  /** Node's TLSSocket; one that is none carries no certificate. */
  readonly socket: object
}

export interface PresentedToken {
  /** What the sender says of it; which one is right, the token says. */
  readonly scheme: 'Bearer' | 'DPoP'
  readonly token: string
}

const CREDENTIALS = /^(bearer|dpop) +([A-Za-z0-9\-._~+/]+=*)$/i

/**
 * The token of `Authorization: Bearer` (RFC 6750 section 2.1) or `Authorization: DPoP` (RFC 9449 section 7.1). Tokens in
 * bodies and query strings are never looked for.
 * @throws RECEIVER_TOKEN_MISSING, RECEIVER_AUTHORIZATION_MALFORMED
 */
export function presentedToken(request: HttpRequest): PresentedToken {
  const values = request.headersDistinct?.authorization ?? [request.headers.authorization ?? '']
  const [value = ''] = values
  if (values.length > 1) throw receiverError('RECEIVER_AUTHORIZATION_MALFORMED')
  if (value === '') throw receiverError('RECEIVER_TOKEN_MISSING')
  const presented = parse(value)
  if (presented === undefined) throw receiverError('RECEIVER_AUTHORIZATION_MALFORMED')
  return presented
}

function parse(value: string): PresentedToken | undefined {
  const [, scheme, token] = CREDENTIALS.exec(value) ?? []
  if (scheme === undefined || token === undefined) return undefined
  return { scheme: scheme.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer', token }
}

/** Every value of the DPoP header. */
export function dpopProofs(request: HttpRequest): readonly string[] {
  const { dpop } = request.headers
  return request.headersDistinct?.dpop ?? (dpop === undefined ? [] : [dpop].flat())
}
