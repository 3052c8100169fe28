import { isWritError } from '#kernel/errors.ts'
import { redact } from './redact.ts'

export interface ErrorDescription {
  readonly name: string
  readonly code?: string
  readonly message?: string
  readonly details?: Readonly<Record<string, string | number | boolean>>
  readonly stack?: readonly string[]
  readonly cause?: ErrorDescription
}

const MAX_CAUSES = 4
const MAX_FRAMES = 12

/**
 * An error as it may be logged. Messages of our own errors hold no secrets by rule; those of others may quote what
 * they choked on (JSON.parse does), so of a SyntaxError only the name is kept.
 */
export function describeError(error: unknown, depth = 0): ErrorDescription {
  if (!(error instanceof Error)) return { name: typeof error }
  const { name, cause } = error
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  const message = error instanceof SyntaxError ? {} : { message: redact(error.message) }
  const details = isWritError(error) ? { details: redactAll(error.details) } : {}
  const inner = cause === undefined || depth === MAX_CAUSES ? {} : { cause: describeError(cause, depth + 1) }
  return { name, ...code, ...message, ...details, stack: framesOf(error), ...inner }
}

/** The frames without the message, which stands above them. */
function framesOf(error: Error): readonly string[] {
  const lines = (error.stack ?? '').split('\n').map((line) => line.trim())
  return lines.filter((line) => line.startsWith('at ')).slice(0, MAX_FRAMES)
}

function redactAll(details: Readonly<Record<string, string | number | boolean>>): ErrorDescription['details'] & object {
  const entries = Object.entries(details)
  return Object.fromEntries(entries.map(([name, value]) => [name, typeof value === 'string' ? redact(value) : value]))
}
