import type { JsonObject } from '#kernel/json.ts'
import { encodeValue, flatClaims } from './claim-paths.ts'
import type { OidcProvider } from './provider.ts'

/** As long as a selector of an agent can be, and as many as an instance should carry. */
const MAX_SELECTOR = 512
const MAX_SELECTORS = 48

/**
 * What a verified token proves, as `oidc:<provider>:<path>:<value>`. The path ends at its first colon, so that no value
 * can pass for another claim. A claim too long for a selector is left out: no agent can ask for it; nor for those
 * beyond the number.
 */
export function selectorsOf({ name, claims: paths }: OidcProvider, claims: JsonObject): readonly string[] {
  const selectors = flatClaims(claims, paths).map(({ path, value }) => `oidc:${name}:${path}:${encodeValue(value)}`)
  return [...new Set(selectors)].filter(({ length }) => length <= MAX_SELECTOR).slice(0, MAX_SELECTORS)
}
