import type { JsonObject } from '#kernel/json.ts'
import type { Grant, Purpose } from '#policy/index.ts'
import { issuanceError } from './errors.ts'

/**
 * What exactly was granted: a permission for one thing must not serve for another of the same kind.
 * @throws GRANT_MISMATCH when the grant is for another purpose
 */
export function requestGranted(grant: Grant, purpose: Purpose): JsonObject {
  if (grant.purpose !== purpose) throw issuanceError('GRANT_MISMATCH', { details: { purpose: grant.purpose } })
  return grant.request
}
