import { pino, type DestinationStream, type Logger } from 'pino'
import { describeError } from './describe-error.ts'
import { redact } from './redact.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Flat facts: ids, codes, counts. Never a body, a header, a token. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>

/** One request; see RequestEntry of the API, which this has the form of. */
export interface LoggedRequest {
  readonly requestId: string
  readonly method: string
  readonly route: string
  readonly status: number
  readonly duration: number
  readonly caller: string
  readonly address: string
  readonly code: string | null
}

export interface LogOptions {
  readonly level: LogLevel
  /** Standard output unless given. */
  readonly destination?: DestinationStream
}

/** The server's log: one JSON object per line. */
export class JsonLog {
  readonly #pino: Logger

  constructor(options: LogOptions) {
    const settings = {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
      // Should a field of this name ever be logged, its value stays here.
      redact: { paths: ['token', 'authorization', 'password', 'csr', 'evidence', 'body'], censor: '[secret]' },
    }
    this.#pino = options.destination === undefined ? pino(settings) : pino(settings, options.destination)
  }

  info(event: string, fields: LogFields = {}): void {
    this.#pino.info({ event, ...clean(fields) })
  }

  warn(event: string, fields: LogFields = {}): void {
    this.#pino.warn({ event, ...clean(fields) })
  }

  /** Something that needs a person. */
  error(event: string, error: unknown, fields: LogFields = {}): void {
    this.#pino.error({ event, ...clean(fields), error: describeError(error) })
  }

  request(entry: LoggedRequest): void {
    if (!this.#pino.isLevelEnabled(entry.status >= 500 ? 'warn' : 'info')) return
    const { requestId, duration, ...rest } = entry
    const fields = { event: 'request', request_id: requestId, ...clean(rest), ms: Math.round(duration * 1000) / 1000 }
    if (entry.status >= 500) this.#pino.warn(fields)
    else this.#pino.info(fields)
  }

  /** Why a request failed: an error of ours above 500 needs a person, a refusal only its cause on record. */
  failure(requestId: string, error: Error): void {
    const isInternal = !('code' in error) || error.code === 'INTERNAL_ERROR'
    const entry = { event: 'request.failure', request_id: requestId, error: describeError(error) }
    if (isInternal) this.#pino.error(entry)
    else this.#pino.debug(entry)
  }
}

function clean(fields: LogFields): LogFields {
  const entries = Object.entries(fields)
  return Object.fromEntries(entries.map(([name, value]) => [name, typeof value === 'string' ? redact(value) : value]))
}
