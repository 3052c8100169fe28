import type { JsonObject } from '#kernel/json.ts'
import { reattested, type Attested } from '../attested.ts'
import { attestationError } from '../errors.ts'
import type { KeyAttestation, KeyToAttest } from './key-attestation.ts'

/**
 * The same proof with the key class that the device has stated. Who the workload is remains what the attestor said.
 * @throws KEY_ATTESTATION_UNKNOWN, and what the method throws
 */
export function attestKey(
  attested: Attested,
  methods: readonly KeyAttestation[],
  evidence: JsonObject,
  key: KeyToAttest,
): Attested {
  const { type, ...statement } = evidence
  const method = methods.find((candidate) => candidate.type === type)
  if (method === undefined) throw attestationError('KEY_ATTESTATION_UNKNOWN')
  return reattested(attested, method.verify(statement, key))
}
