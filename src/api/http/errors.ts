import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const HTTP_ERRORS = {
  ROUTE_NOT_FOUND: 'There is nothing at this path.',
  METHOD_NOT_ALLOWED: 'The path exists and does not take this method; the Allow header lists those that it takes.',
  BODY_TOO_LARGE: 'The request body is larger than this endpoint accepts.',
  BODY_TOO_SLOW: 'The request body did not arrive in time.',
  BODY_CUT: 'The connection ended before the request body did.',
  BODY_UNEXPECTED: 'This endpoint takes no request body.',
  MEDIA_TYPE_UNSUPPORTED: 'The Content-Type of the request is not the one that this endpoint takes.',
  CLIENT_CHAIN_TOO_LARGE: 'The client certificate chain is longer or larger than this server accepts.',
  CLIENT_ASSERTION_UNSUPPORTED:
    'No client assertion is taken: whoever has it could use it. Present a certificate, or a WIT-SVID with its proof.',
  ORIGIN_FORBIDDEN: 'A page of another site may not use the credentials of this browser here.',
  STATUS_LIST_TIME_UNSUPPORTED: 'Status lists of the past are not kept. Leave "time" out.',
  AUTHZ_FORWARDED_INVALID: 'What the proxy says of the request is doubled, malformed, or of several kinds of proxies.',
  RATE_LIMITED: 'Too many requests. Wait as long as Retry-After says.',
  STREAMS_EXHAUSTED: 'There are as many open streams as may be. Close one, or try again in a moment.',
  STREAM_STALLED: 'The reader of the stream took nothing for too long.',
  SERVER_OVERLOADED: 'The server is busy. Try again shortly.',
  SERVER_STOPPING: 'The server is stopping. Try again on another replica or in a moment.',
  INTERNAL_ERROR: 'Something went wrong inside the server. The log of the server has the cause under the request id.',
} as const satisfies ErrorTable

export const httpError = errorsOf(HTTP_ERRORS)
export type HttpErrorCode = keyof typeof HTTP_ERRORS
