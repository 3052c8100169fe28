import type { ActiveSigner, CandidateSigner, RevokingSigner, SigningAuthority } from '#authority/index.ts'
import { equal, type Bytes } from '#kernel/bytes.ts'
import { DAY, HOUR, MINUTE, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import { SpiffeId } from '#spiffe/index.ts'
import type { CertificateRequest, PublicKey } from '#x509/index.ts'
import { issuanceError } from './errors.ts'
import { prepareCertificate, type AuthorityName, type PreparedCertificate } from './prepare-certificate.ts'
import { PROFILES, type IssuanceProfile } from './profile.ts'

interface OwnContext {
  readonly issuance: IssuanceProfile
  readonly issuedAt: Instant
  readonly random: Random
}

export interface ServerCertificateOrder extends OwnContext {
  readonly signer: ActiveSigner
  readonly publicKey: PublicKey
  readonly dnsNames: readonly string[]
  /** 4 or 16 octets each. */
  readonly ipAddresses: readonly Bytes[]
}

const SERVER_LIFETIME: Milliseconds = DAY
const CANARY_LIFETIME: Milliseconds = 5 * MINUTE
/** A server renews at half of the life, and at once when its authority is no longer the active one. */
const SERVER_RENEWAL: Milliseconds = 12 * HOUR

/** The SPIFFE ID that a Writ server presents. */
export function serverSpiffeId({ trustDomain }: IssuanceProfile): SpiffeId {
  return SpiffeId.of(trustDomain, 'writ', 'server')
}

/** The TLS certificate of the server itself. @throws SIGNER_MISMATCH, LIFETIME_TOO_SHORT, LINT_FAILED */
export function prepareServerCertificate(order: ServerCertificateOrder): PreparedCertificate {
  requireKind(order.signer, 'x509')
  return prepareCertificate({
    ...order,
    kind: 'server',
    profile: PROFILES.server,
    spiffeId: serverSpiffeId(order.issuance).toString(),
    lifetime: SERVER_LIFETIME,
  })
}

export interface ServerCertificateFacts {
  readonly authority: string
  readonly issuedAt: Instant
  readonly notAfter: Instant
}

/** Whether the server should have a new certificate: half of its life is over, or another authority signs now. */
export function isServerRenewalDue(facts: ServerCertificateFacts, activeAuthority: string, now: Instant): boolean {
  const half = Math.min(facts.issuedAt + SERVER_RENEWAL, (facts.issuedAt + facts.notAfter) / 2)
  return facts.authority !== activeAuthority || now >= half
}

export interface CanaryOrder extends OwnContext {
  readonly signer: CandidateSigner
  /** A throwaway key. */
  readonly publicKey: PublicKey
}

/** A trial leaf of an authority that is not active yet. @throws SIGNER_MISMATCH, LIFETIME_TOO_SHORT, LINT_FAILED */
export function prepareCanary(order: CanaryOrder): PreparedCertificate {
  requireKind(order.signer, 'x509')
  return prepareCertificate({
    ...order,
    kind: 'canary',
    profile: PROFILES.canary,
    spiffeId: SpiffeId.of(order.issuance.trustDomain, 'writ', 'canary').toString(),
    lifetime: CANARY_LIFETIME,
  })
}

export interface ResponderCertificateOrder extends OwnContext {
  /** Whose certificates the responder will speak for; also one that issues no more. */
  readonly signer: RevokingSigner
  readonly publicKey: PublicKey
  readonly lifetime: Milliseconds
}

/**
 * The certificate of an OCSP responder, issued directly by the key whose certificates it speaks for (O4, O5).
 * @throws SIGNER_MISMATCH, LIFETIME_TOO_SHORT, LINT_FAILED
 */
export function prepareResponderCertificate(order: ResponderCertificateOrder): PreparedCertificate {
  requireKind(order.signer, 'x509')
  return prepareCertificate({
    ...order,
    kind: 'ocsp',
    profile: PROFILES.ocsp,
    spiffeId: null,
    name: { commonName: `OCSP ${order.issuance.trustDomain.name}`.slice(0, 64) },
  })
}

export interface AuthorityCertificateOrder extends OwnContext {
  /** Whose certificate it is. */
  readonly candidate: CandidateSigner
  /** The root that signs it; null when it signs itself. */
  readonly root: ActiveSigner | null
  /** Where the root's CRL is published; null when nowhere, and for what signs itself. */
  readonly crl: string | null
  readonly lifetime: Milliseconds
  readonly name?: AuthorityName
}

/** The certificate of an authority: self-signed, or signed by the root. @throws SIGNER_MISMATCH, LIFETIME_TOO_SHORT, LINT_FAILED */
export function prepareAuthorityCertificate(order: AuthorityCertificateOrder): PreparedCertificate {
  const { candidate, root, issuance } = order
  const isRoot = candidate.kind === 'x509-root'
  if (!isRoot) requireKind(candidate, 'x509')
  if (root !== null) requireKind(root, 'x509-root')
  return prepareCertificate({
    ...order,
    kind: 'authority',
    profile: isRoot ? PROFILES.root : PROFILES.authority,
    signer: root ?? candidate,
    selfSigned: root === null,
    publicKey: candidate.publicKey,
    spiffeId: issuance.trustDomain.id().toString(),
    authorityCrl: root === null ? null : order.crl,
  })
}

export interface CrossCertificateOrder extends OwnContext {
  /** The next root, with its own certificate. */
  readonly candidate: CandidateSigner
  /** The root that everybody knows. */
  readonly root: ActiveSigner
  /** Where its CRL is published; null when nowhere. */
  readonly crl: string | null
}

/**
 * The key and the name of the next root, certified by the present one: who knows only that finds a way to what the next
 * one signs. It ends with the first of the two. @throws SIGNER_MISMATCH, LIFETIME_TOO_SHORT, LINT_FAILED
 */
export function prepareCrossCertificate(order: CrossCertificateOrder): PreparedCertificate {
  const { candidate, root, issuance, issuedAt } = order
  requireKind(candidate, 'x509-root')
  requireKind(root, 'x509-root')
  if (candidate.certificate === null || equal(candidate.publicKey.spki, root.publicKey.spki)) {
    throw issuanceError('SIGNER_MISMATCH', { details: { authority: candidate.authorityId } })
  }
  return prepareCertificate({
    ...order,
    kind: 'authority',
    profile: PROFILES.cross,
    signer: root,
    publicKey: candidate.publicKey,
    subject: candidate.certificate.subject,
    spiffeId: issuance.trustDomain.id().toString(),
    lifetime: Math.min(candidate.notAfter - issuedAt, PROFILES.cross.mostLifetime),
    authorityCrl: order.crl,
  })
}

export interface IssuingCertificateOrder extends OwnContext {
  /** Signed by the key that is to be certified; of everything else in it nothing is used. */
  readonly request: CertificateRequest
  readonly root: ActiveSigner
  readonly lifetime: Milliseconds
  /** Where the root's CRL is published; null when nowhere. */
  readonly crl: string | null
}

/**
 * The certificate of an issuing authority whose key is elsewhere: what a ceremony signs.
 * @throws SIGNER_MISMATCH, REQUEST_ID_DIFFERS, REQUEST_KEY_FORBIDDEN, LIFETIME_TOO_SHORT, LINT_FAILED
 */
export function prepareIssuingCertificate(order: IssuingCertificateOrder): PreparedCertificate {
  const { request, root, issuance, crl } = order
  requireKind(root, 'x509-root')
  const spiffeId = issuance.trustDomain.id().toString()
  const requested = request.requestedSpiffeId?.toString() ?? spiffeId
  if (requested !== spiffeId) throw issuanceError('REQUEST_ID_DIFFERS', { details: { requested } })
  if (equal(request.publicKey.spki, root.publicKey.spki)) throw issuanceError('REQUEST_KEY_FORBIDDEN')
  return prepareCertificate({
    ...order,
    kind: 'authority',
    profile: PROFILES.issuing,
    signer: root,
    publicKey: request.publicKey,
    spiffeId,
    authorityCrl: crl,
  })
}

function requireKind(signer: SigningAuthority, kind: 'x509' | 'x509-root'): void {
  if (signer.kind !== kind) throw issuanceError('SIGNER_MISMATCH', { details: { kind: signer.kind } })
}
