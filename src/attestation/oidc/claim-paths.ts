import { utf8 } from '#kernel/bytes.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'

/** A claim as it is compared: its path, and its value as text. */
export interface FlatClaim {
  readonly path: string
  readonly value: string
}

/** What every token has and no agent can ask for: they are fixed, or new each time. */
const NOT_SHOWN: readonly string[] = [
  'iss',
  'aud',
  'exp',
  'iat',
  'nbf',
  'jti',
  'nonce',
  'at_hash',
  'c_hash',
  'auth_time',
]

/** Projected service account tokens: what says where and as what a pod runs. */
const KUBERNETES: readonly string[] = [
  'kubernetes.io/namespace',
  'kubernetes.io/serviceaccount/name',
  'kubernetes.io/serviceaccount/uid',
  'kubernetes.io/pod/name',
  'kubernetes.io/pod/uid',
  'kubernetes.io/node/name',
]

/**
 * The claims that are shown: those at `paths`, or else every claim at the top that is text, a number or a boolean, and
 * what Kubernetes nests. Objects and lists are never shown.
 */
export function flatClaims(claims: JsonObject, paths: readonly string[] | null): readonly FlatClaim[] {
  const shown = paths ?? [...topOf(claims), ...KUBERNETES]
  return shown.flatMap((path) => claimAt(claims, path) ?? [])
}

function topOf(claims: JsonObject): readonly string[] {
  return Object.keys(claims)
    .filter((name) => name.isWellFormed() && !NOT_SHOWN.includes(name))
    .map(encodeName)
}

/** The claim at a path such as `kubernetes.io/pod/uid`; null when there is none, or none that has a text. */
export function claimAt(claims: JsonObject, path: string): FlatClaim | null {
  let value: JsonValue | undefined = claims
  for (const step of path.split('/')) {
    if (!isObject(value)) return null
    value = memberOf(value, step)
  }
  const text = textOf(value)
  return text === null ? null : { path, value: text }
}

function memberOf(object: JsonObject, step: string): JsonValue | undefined {
  const name = Object.keys(object).find((candidate) => candidate.isWellFormed() && encodeName(candidate) === step)
  return name === undefined ? undefined : object[name]
}

function textOf(value: JsonValue | undefined): string | null {
  if (typeof value === 'string') return value.isWellFormed() ? value : null
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** One step of a path: what would end it, or a selector could not hold, is percent-encoded. */
function encodeName(name: string): string {
  return encode(name, /[^\x21-\x24\x26-\x2e\x30-\x39\x3b-\x7e]+/g)
}

/** A value is the last part of a selector and may hold colons. */
export function encodeValue(value: string): string {
  return encode(value, /[^\x21-\x24\x26-\x7e]+/g)
}

function encode(text: string, foreign: RegExp): string {
  return text.replaceAll(foreign, (run) =>
    [...utf8(run)].map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}
