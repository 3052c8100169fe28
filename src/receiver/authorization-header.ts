import { receiverError } from './errors.ts'

/** A request; those of node:http, node:https and express have this form. */
export interface HttpRequest {
  readonly headers: { readonly authorization?: string | undefined }
  /** Every value of every header: node:http itself keeps only the first of several. */
  readonly headersDistinct?: { readonly authorization?: readonly string[] | undefined }
  readonly url?: string | undefined
  /** Node's TLSSocket; one that is none carries no certificate. */
  readonly socket: object
}

const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i

/**
 * The token of `Authorization: Bearer` (RFC 6750 section 2.1). Tokens in bodies and query strings are never looked for.
 * @throws RECEIVER_TOKEN_MISSING, RECEIVER_AUTHORIZATION_MALFORMED
 */
export function bearerToken(request: HttpRequest): string {
  const values = request.headersDistinct?.authorization ?? [request.headers.authorization ?? '']
  const [value = ''] = values
  if (values.length > 1) throw receiverError('RECEIVER_AUTHORIZATION_MALFORMED')
  if (value === '') throw receiverError('RECEIVER_TOKEN_MISSING')
  const token = BEARER.exec(value)?.[1]
  if (token === undefined) throw receiverError('RECEIVER_AUTHORIZATION_MALFORMED')
  return token
}
