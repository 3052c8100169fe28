import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { ClaimReader, invalid } from './claims.ts'
import { isObject } from './json-shape.ts'

/**
 * One entry of `authorization_details` (RFC 9396) of type `task`. Absent `identifiers` means unrestricted. What a
 * constraint means is for policy and receiver to say; whoever does not know one refuses.
 */
export interface TaskAuthorization {
  readonly type: 'task'
  readonly resource: string
  readonly actions: readonly string[]
  readonly identifiers?: readonly string[]
  readonly constraints?: Readonly<Record<string, number>>
}

export const MAX_AUTHORIZATIONS = 32
const MAX_ITEMS = 256
const CONSTRAINT = /^[a-z][a-z0-9_]{0,63}$/
const CLAIM = 'authorization_details'

/** @throws JWT_CLAIM_INVALID, JWT_CLAIM_MISSING, JWT_CLAIM_NOT_ALLOWED */
export function readAuthorizations(value: JsonValue): readonly TaskAuthorization[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_AUTHORIZATIONS) throw invalid(CLAIM)
  return (value as readonly JsonValue[]).map(readAuthorization)
}

function readAuthorization(value: JsonValue): TaskAuthorization {
  if (!isObject(value)) throw invalid(CLAIM)
  const reader = new ClaimReader(value)
  reader.only(['type', 'resource', 'actions', 'identifiers', 'constraints'])
  if (reader.string('type') !== 'task') throw invalid(CLAIM)
  return {
    type: 'task',
    resource: reader.string('resource'),
    actions: readSet(reader.strings('actions'), 1),
    ...(reader.has('identifiers') ? { identifiers: readSet(reader.strings('identifiers'), 0) } : {}),
    ...(reader.has('constraints') ? { constraints: readConstraints(reader.value('constraints')) } : {}),
  }
}

function readSet(items: readonly string[], minimum: number): readonly string[] {
  if (items.length < minimum || items.length > MAX_ITEMS || new Set(items).size !== items.length) throw invalid(CLAIM)
  return items
}

function readConstraints(value: JsonValue): Readonly<Record<string, number>> {
  if (!isObject(value)) throw invalid(CLAIM)
  for (const [name, limit] of Object.entries(value)) {
    if (!CONSTRAINT.test(name) || !Number.isSafeInteger(limit) || Number(limit) < 0) throw invalid(CLAIM)
  }
  return value as Readonly<Record<string, number>>
}

export function authorizationsToJson(authorizations: readonly TaskAuthorization[]): readonly JsonObject[] {
  return authorizations.map(({ type, resource, actions, identifiers, constraints }) => ({
    type,
    resource,
    actions,
    ...(identifiers === undefined ? {} : { identifiers }),
    ...(constraints === undefined ? {} : { constraints }),
  }))
}
