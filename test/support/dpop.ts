import { createHash, randomUUID } from 'node:crypto'
import { toNumericDate, type Instant } from '#kernel/instant.ts'
import { rawToken } from './tokens.ts'
import { newTestKey, type TestKey } from './keys.ts'

export interface RawProof {
  readonly header?: object
  readonly claims?: object
  readonly key?: TestKey
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

/** A DPoP proof, or what pretends to be one: whatever a test changes is written and signed as it stands. */
export function rawDpop(
  request: { readonly method: string; readonly uri: string; readonly now: Instant },
  { header = {}, claims = {}, key = newTestKey() }: RawProof = {},
): string {
  const { method, uri, now } = request
  const own = { jti: randomUUID(), htm: method, htu: uri, iat: toNumericDate(now) }
  return rawToken({ typ: 'dpop+jwt', alg: 'ES256', jwk: key.jwk, ...header }, { ...own, ...claims }, key)
}

/** A Workload Proof Token, in the same way. */
export function rawWpt(
  request: { readonly wit: string; readonly uri: string; readonly now: Instant },
  { header = {}, claims = {}, key = newTestKey() }: RawProof = {},
): string {
  const { wit, uri, now } = request
  const own = { aud: uri, exp: toNumericDate(now) + 30, jti: randomUUID(), wth: hashOf(wit) }
  return rawToken({ typ: 'wpt+jwt', alg: 'ES256', ...header }, { ...own, ...claims }, key)
}
