import type { WritError } from '#kernel/errors.ts'
import type { Milliseconds } from '#kernel/instant.ts'

/** One request, as logged: ids and codes, never a body, a header, a query or a token (promise 11). */
export interface RequestEntry {
  readonly requestId: string
  readonly method: string
  /** The route's pattern, never the path that was asked for. */
  readonly route: string
  readonly status: number
  readonly duration: Milliseconds
  readonly caller: string
  readonly address: string
  readonly code: string | null
}

export interface RequestLog {
  request(entry: RequestEntry): void
  /** A failure that the caller sees as `INTERNAL_ERROR`, or a refusal whose cause somebody may want. */
  failure(requestId: string, error: WritError | Error): void
}

/** Rate, errors and duration of each route. */
export interface RequestMetrics {
  observe(entry: RequestEntry): void
}
