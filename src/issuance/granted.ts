import { parseJson, type JsonObject } from '#kernel/json.ts'
import type { Grant, Purpose } from '#policy/index.ts'
import { issuanceError } from './errors.ts'

const GRANT_LIMITS = { maxBytes: 1024 * 1024, maxDepth: 16 }

/**
 * What exactly was granted: a permission for one thing must not serve for another of the same kind.
 * @throws GRANT_MISMATCH when the grant is for another purpose
 */
export function requestGranted(grant: Grant, purpose: Purpose): JsonObject {
  if (grant.purpose !== purpose) throw issuanceError('GRANT_MISMATCH', { details: { purpose: grant.purpose } })
  return (parseJson(grant.input, GRANT_LIMITS) as { readonly request: JsonObject }).request
}
