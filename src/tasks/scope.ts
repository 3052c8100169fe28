import { tasksError } from './errors.ts'
import type { AuthorizationDetail } from './records.ts'

const TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/
const MAX_TOKENS = 64

/** The projection of an authority for receivers that know scopes only: its actions, sorted. Never broader than it. */
export function scopeOf(authority: readonly AuthorizationDetail[]): string {
  return [...new Set(authority.flatMap((detail) => detail.actions))].sort().join(' ')
}

/** RFC 6749 section 3.3, one space between tokens, none twice. @throws INVALID_SCOPE */
export function parseScope(scope: string): readonly string[] {
  const tokens = scope.split(' ')
  const proper = tokens.every((token) => TOKEN.test(token)) && new Set(tokens).size === tokens.length
  if (!proper || tokens.length > MAX_TOKENS) throw tasksError('INVALID_SCOPE')
  return tokens
}
