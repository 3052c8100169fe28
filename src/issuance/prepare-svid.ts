import type { ActiveSigner } from '#authority/index.ts'
import { fromHex, type Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import type { Grant } from '#policy/index.ts'
import type { InstanceRecord, Registration } from '#registry/index.ts'
import type { CertificateRequest } from '#x509/index.ts'
import { issuanceError } from './errors.ts'
import { requestGranted } from './granted.ts'
import type { AttestationFacts } from './lint/rule.ts'
import { prepareCertificate, type PreparedCertificate } from './prepare-certificate.ts'
import { PROFILES, type IssuanceProfile } from './profile.ts'

export interface X509SvidOrder {
  readonly registration: Registration
  readonly grant: Grant
  readonly request: CertificateRequest
  /** The row of the instance: as it is, or as it will be once the commit is made. */
  readonly instance: InstanceRecord
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
  const { registration, request, instance, renewed, idempotencyKey } = order
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
    attestation: attestationOf(instance, registration),
    lifetime: registration.x509Lifetime,
    about: { agent: instance.agent, instance: instance.id, lineage: instance.lineage, renewed, idempotencyKey },
  })
}

function attestationOf(row: InstanceRecord, { agent }: Registration): AttestationFacts {
  const { keyClass, keyClassSource, attestor } = row
  const facts = { keyClass, keyClassSource, attestor, evidenceDigest: fromHex(row.evidenceDigest) }
  // One ID for all instances of the agent: which one it is, only this says.
  return agent.identity === 'agent' ? { ...facts, instance: row.id } : facts
}

function checkGrant({ grant, registration, instance }: X509SvidOrder): void {
  const request = requestGranted(grant, 'x509-svid')
  const spiffeId = registration.spiffeId.toString()
  const isSame =
    instance.id === registration.instanceId &&
    instance.agent === registration.agent.id &&
    instance.spiffeId === spiffeId &&
    request['spiffe_id'] === spiffeId &&
    request['key_class'] === instance.keyClass &&
    request['lifetime'] === registration.x509Lifetime
  if (!isSame) throw issuanceError('GRANT_MISMATCH')
}
