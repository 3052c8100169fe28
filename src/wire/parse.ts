import type { z } from 'zod'
import { isWireErrorCode, wireError, type WireErrorCode } from './errors.ts'

const MEMBER_NAME = /^[A-Za-z0-9_-]{1,64}$/

/**
 * Parses once, at the edge. A refusal names the member and what is wrong with it, and never quotes a value. A schema
 * that gives one of our codes for its message is refused with that one.
 * @throws the given code, with `details.member` and `details.problem`
 */
export function parseWith<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  code: WireErrorCode,
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const refusal = isWireErrorCode(issue?.message) ? issue.message : code
  throw wireError(refusal, { details: { member: memberOf(issue), problem: issue?.code ?? 'invalid' } })
}

/** @throws BODY_INVALID */
export function parseBody<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  return parseWith(schema, value, 'BODY_INVALID')
}

/** What the client does with an answer. @throws ANSWER_INVALID */
export function parseAnswer<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  return parseWith(schema, value, 'ANSWER_INVALID')
}

/** `authority[0].actions`; an unknown member is named where it stands. A name that is not a plain word is left out. */
function memberOf(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return ''
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  return [...issue.path, ...unknown].reduce<string>((path, step) => {
    if (typeof step === 'number') return `${path}[${String(step)}]`
    const name = typeof step === 'string' && MEMBER_NAME.test(step) ? step : '?'
    return path === '' ? name : `${path}.${name}`
  }, '')
}
