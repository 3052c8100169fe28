import { attestKey, type Attested, type KeyAttestation } from '#attestation/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { JsonObject } from '#kernel/json.ts'
import { encodeKeyStatement } from '#wire/index.ts'
import type { CertificateRequest } from '#x509/index.ts'
import type { IssuePorts } from './issuance-ports.ts'

export interface KeyAttestationPorts extends Pick<IssuePorts, 'profile' | 'clock'> {
  /** Where key attestations are configured. */
  readonly keyAttestations?: readonly KeyAttestation[]
}

/**
 * What was attested, with the class of the request's key where its device states one.
 * @throws KEY_ATTESTATION_…, TPM_…, EVIDENCE_INVALID
 */
export function withKeyClass(
  { keyAttestations = [], profile, clock }: KeyAttestationPorts,
  attested: Attested,
  statement: JsonObject | null,
  request: CertificateRequest,
): Attested {
  if (statement === null) return attested
  const trustDomain = profile.trustDomain.name
  const nonce = sha256(encodeKeyStatement({ trustDomain, csrDigest: toHex(request.digest) }))
  return attestKey(attested, keyAttestations, statement, {
    publicKey: request.publicKey.spki,
    nonce,
    now: clock.now(),
  })
}
