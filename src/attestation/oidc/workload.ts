import { toHex, utf8, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { canonicalize, type JsonObject } from '#kernel/json.ts'
import type { Workload } from '../attested.ts'
import { attestationError } from '../errors.ts'
import { claimAt } from './claim-paths.ts'
import type { OidcProvider } from './provider.ts'

/**
 * What an enrollment uses up, or takes the place of. The token is known by what was signed: an ECDSA signature can be
 * changed into another valid one by anybody.
 * @throws OIDC_WORKLOAD_UNKNOWN when a claim is missing that says which workload it is
 */
export function workloadOf(provider: OidcProvider, claims: JsonObject, signed: Bytes): Workload {
  const evidence = hashOf('oidc-token', provider.name, toHex(sha256(signed)))
  if (provider.use === 'single') return { rule: 'once', key: evidence, evidence }
  const parts = provider.supersedesBy.map((path) => {
    const claim = claimAt(claims, path)
    if (claim === null || claim.value === '') throw attestationError('OIDC_WORKLOAD_UNKNOWN', { details: { path } })
    return `${path}:${claim.value}`
  })
  return { rule: 'supersede', key: hashOf('oidc-workload', provider.name, ...parts), evidence }
}

function hashOf(...parts: readonly string[]): string {
  return toHex(sha256(utf8(canonicalize(parts))))
}
