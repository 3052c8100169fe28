import type { ActiveSigner } from '#authority/index.ts'
import type { KeyClass, KeyClassSource } from '#kernel/algorithms.ts'
import { fromHex, type Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import type { Grant } from '#policy/index.ts'
import type { Registration } from '#registry/index.ts'
import type { CertificateRequest } from '#x509/index.ts'
import { issuanceError } from './errors.ts'
import { requestGranted } from './granted.ts'
import { prepareCertificate, type PreparedCertificate } from './prepare-certificate.ts'
import { PROFILES, type IssuanceProfile } from './profile.ts'

/** What is known of the key and of what vouched for the instance; the digest is salted, hex. */
export interface AttestationOrder {
  readonly keyClass: KeyClass
  readonly keyClassSource: KeyClassSource
  readonly attestor: string
  readonly evidenceDigest: string
}

export interface X509SvidOrder {
  readonly registration: Registration
  readonly grant: Grant
  readonly request: CertificateRequest
  readonly attestation: AttestationOrder
  readonly lineage: string
  /** Serial of the certificate that this one renews. */
  readonly renewed: string | null
  readonly idempotencyKey: string
}

export interface X509SvidContext {
  readonly issuance: IssuanceProfile
  readonly signer: ActiveSigner
  readonly issuedAt: Instant
  readonly random: Random
  /** Whether a key, by its SPKI hash, is that of an authority. */
  readonly isOwnKey: (spkiHash: Bytes) => boolean
}

/**
 * An X.509-SVID (X509-SVID sections 2 to 4). Of the request only the key is used.
 * @throws GRANT_MISMATCH, REQUEST_ID_DIFFERS, REQUEST_KEY_FORBIDDEN, SIGNER_MISMATCH, LIFETIME_TOO_SHORT, LINT_FAILED
 */
export function prepareX509Svid(order: X509SvidOrder, context: X509SvidContext): PreparedCertificate {
  const { registration, request, attestation, lineage, renewed, idempotencyKey } = order
  const { signer, isOwnKey } = context
  checkGrant(order)
  if (request.requestedSpiffeId?.equals(registration.spiffeId) === false) throw issuanceError('REQUEST_ID_DIFFERS')
  if (isOwnKey(request.publicKey.spkiHash)) throw issuanceError('REQUEST_KEY_FORBIDDEN')
  if (signer.kind !== 'x509') throw issuanceError('SIGNER_MISMATCH', { details: { kind: signer.kind } })
  return prepareCertificate({
    ...context,
    kind: 'svid',
    profile: PROFILES.svid,
    publicKey: request.publicKey,
    spiffeId: registration.spiffeId.toString(),
    dnsNames: registration.dnsNames,
    attestation: { ...attestation, evidenceDigest: fromHex(attestation.evidenceDigest) },
    lifetime: registration.x509Lifetime,
    about: { agent: registration.agent.id, instance: registration.instanceId, lineage, renewed, idempotencyKey },
  })
}

function checkGrant({ grant, registration, attestation }: X509SvidOrder): void {
  const request = requestGranted(grant, 'x509-svid')
  const isSame =
    request['spiffe_id'] === registration.spiffeId.toString() &&
    request['key_class'] === attestation.keyClass &&
    request['lifetime'] === registration.x509Lifetime
  if (!isSame) throw issuanceError('GRANT_MISMATCH')
}
