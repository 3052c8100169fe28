import { tasksError } from './errors.ts'
import type { AuthorizationDetail } from './records.ts'

/** Bounds of one authority; what is larger belongs into several tasks. */
export const AUTHORITY_LIMITS = {
  entries: 16,
  actions: 64,
  identifiers: 256,
  constraints: 16,
  characters: 16_384,
} as const

const MEMBERS: readonly string[] = ['type', 'resource', 'actions', 'identifiers', 'constraints']
/** Also one scope token (RFC 6749 section 3.3). */
const ACTION = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/
const IDENTIFIER = /^[^\p{Cc}\p{Cs}]{1,256}$/u
const CONSTRAINT = /^max_[a-z0-9_]{1,48}$/
/** An absolute URI without fragment, in printable ASCII (RFC 8707 section 2). */
const RESOURCE = /^[a-z][a-z0-9+.-]*:[\x21\x24-\x3b\x3d\x3f-\x7e]+$/
const RESOURCE_LENGTH = 512

/**
 * Strict (RFC 9396 section 5): a list of at least one entry of type `task`, no member that is not ours, no `null`, no
 * empty or repeated value. An empty list of identifiers is refused rather than read as none or as all.
 * @throws INVALID_AUTHORIZATION_DETAILS
 */
export function parseAuthority(value: unknown): readonly AuthorizationDetail[] {
  if (!isList(value, AUTHORITY_LIMITS.entries)) throw invalid('entries')
  const authority = value.map(parseDetail)
  if (JSON.stringify(authority).length > AUTHORITY_LIMITS.characters) throw invalid('size')
  return authority
}

/** @throws INVALID_TARGET */
export function parseResource(value: string): string {
  if (!isResource(value)) throw tasksError('INVALID_TARGET')
  return value
}

function parseDetail(value: unknown): AuthorizationDetail {
  if (!isRecord(value)) throw invalid('entry')
  if (!Object.keys(value).every((member) => MEMBERS.includes(member))) throw invalid('member')
  if (value['type'] !== 'task') throw invalid('type')
  const resource = value['resource']
  if (typeof resource !== 'string' || !isResource(resource)) throw invalid('resource')
  return {
    type: 'task',
    resource,
    actions: parseNames(value['actions'], ACTION, AUTHORITY_LIMITS.actions),
    ...(Object.hasOwn(value, 'identifiers') ? { identifiers: parseIdentifiers(value['identifiers']) } : {}),
    ...(Object.hasOwn(value, 'constraints') ? { constraints: parseConstraints(value['constraints']) } : {}),
  }
}

function parseIdentifiers(value: unknown): readonly string[] {
  return parseNames(value, IDENTIFIER, AUTHORITY_LIMITS.identifiers)
}

function parseNames(value: unknown, pattern: RegExp, maximum: number): readonly string[] {
  if (!isList(value, maximum)) throw invalid('list')
  const names = value.map((name) => {
    if (typeof name !== 'string' || !pattern.test(name)) throw invalid('name')
    return name
  })
  if (new Set(names).size !== names.length) throw invalid('repeated')
  return names
}

function parseConstraints(value: unknown): Readonly<Record<string, number>> {
  if (!isRecord(value)) throw invalid('constraints')
  const entries = Object.entries(value)
  if (entries.length > AUTHORITY_LIMITS.constraints) throw invalid('constraints')
  return Object.fromEntries(
    entries.map(([key, limit]) => {
      if (!CONSTRAINT.test(key)) throw invalid('constraint')
      if (typeof limit !== 'number' || !Number.isSafeInteger(limit) || limit < 0) throw invalid('limit')
      return [key, limit]
    }),
  )
}

function isList(value: unknown, maximum: number): value is readonly unknown[] {
  return Array.isArray(value) && value.length > 0 && value.length <= maximum
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isResource(value: string): boolean {
  return value.length <= RESOURCE_LENGTH && RESOURCE.test(value) && URL.canParse(value)
}

function invalid(problem: string): Error {
  return tasksError('INVALID_AUTHORIZATION_DETAILS', { details: { problem } })
}
