import { toNumericDate, type Instant } from '#kernel/instant.ts'
import { CORP, IDP_KEYS } from '../fakes/users.ts'
import type { TestKey } from './keys.ts'
import { rawToken } from './tokens.ts'

let count = 0

/** The claims of an ID token of alice at the corporate identity provider, new each time. */
export function idTokenClaims(now: Instant, changes: object = {}): Record<string, unknown> {
  const at = toNumericDate(now)
  const own = { iss: CORP.issuer, sub: 'alice', aud: CORP.clientId, iat: at, exp: at + 300 }
  return { ...own, jti: `id-${String(count++)}`, email: 'alice@corp.example', ...changes }
}

/** Signed by that provider, unless another key does it. */
export function idToken(
  now: Instant,
  changes: object = {},
  { header = {}, key = IDP_KEYS.corp }: { readonly header?: object; readonly key?: TestKey } = {},
): string {
  return rawToken({ alg: 'ES256', typ: 'JWT', kid: key.kid, ...header }, idTokenClaims(now, changes), key)
}
