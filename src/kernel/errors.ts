/**
 * The one error type. A code is stable and belongs to one table; its sentence is fixed and may be shown to anyone;
 * `message` and `details` stay in the log (no secrets, no personal data); `cause` never leaves the process.
 */

/** Code to the fixed public sentence that tells a person what to do. One table per room, in its `errors.ts`. */
export type ErrorTable = Readonly<Record<string, string>>

/** Flat facts about a failure that are safe to log. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean>>

export interface ErrorOptions {
  readonly message?: string
  readonly details?: ErrorDetails
  readonly cause?: unknown
}

export class WritError<Code extends string = string> extends Error {
  override readonly name = 'WritError'
  readonly code: Code
  /** The fixed public sentence of the code. */
  readonly sentence: string
  readonly details: ErrorDetails

  constructor(code: Code, sentence: string, options: ErrorOptions = {}) {
    super(options.message ?? sentence, { cause: options.cause })
    this.code = code
    this.sentence = sentence
    this.details = options.details ?? {}
  }
}

/**
 * Makes the constructor of a room's failures from its table:
 * `export const tasksError = errorsOf(TASKS_ERRORS)`, then `throw tasksError('TASK_NOT_ACTIVE', {details: {task}})`.
 */
export function errorsOf<Table extends ErrorTable>(
  table: Table,
): <Code extends keyof Table & string>(code: Code, options?: ErrorOptions) => WritError<Code> {
  return (code, options) => {
    const sentence = table[code]
    if (sentence === undefined) throw new TypeError(`no such error code: ${code}`)
    return new WritError(code, sentence, options)
  }
}

/** True when `error` is ours and, where codes are given, carries one of them. Never decide by message text. */
export function isWritError<Code extends string>(error: unknown, ...codes: readonly Code[]): error is WritError<Code> {
  if (!(error instanceof WritError)) return false
  const code: string = (error as WritError).code
  return codes.length === 0 || codes.some((wanted) => wanted === code)
}

/** The failures of the kernel's own parsers. */
export const KERNEL_ERRORS = {
  INVALID_BASE64: 'The value is not canonical base64 or base64url.',
  INVALID_HEX: 'The value is not lower-case hexadecimal of even length.',
  INVALID_UTF8: 'The text is not valid UTF-8.',
  INVALID_INSTANT: 'The time is not an RFC 3339 UTC instant in the supported range.',
  INVALID_ID: 'The identifier does not have the form that its prefix requires.',
  INVALID_JSON: 'The body is not well-formed JSON.',
  JSON_TOO_LARGE: 'The JSON document is larger than this endpoint accepts.',
  JSON_TOO_DEEP: 'The JSON document is nested more deeply than this endpoint accepts.',
  JSON_DUPLICATE_KEY: 'The JSON document names the same member twice.',
  JSON_NOT_CANONICAL: 'The value has no canonical JSON form.',
} as const satisfies ErrorTable

export const kernelError = errorsOf(KERNEL_ERRORS)
