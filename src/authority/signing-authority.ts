import { equal, type Bytes } from '#kernel/bytes.ts'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Signer } from '#kernel/signer.ts'
import { parseCertificate, parsePublicKey, PURPOSE, type Certificate, type PublicKey } from '#x509/index.ts'
import { authorityError } from './errors.ts'
import type { AuthorityKind, AuthorityRecord, AuthorityState } from './records.ts'

/**
 * An active authority signs for others; a candidate only its own certificate and the canary. One that is `revoking` signs
 * what its certificates' status is, also when it has retired (R11). A `delegate` signs OCSP answers in the name of its
 * issuer and nothing else, and nobody else's key does.
 */
export type Standing = 'active' | 'candidate' | 'revoking' | 'delegate'

const STATES: Readonly<Record<Standing, readonly AuthorityState[]>> = {
  active: ['active'],
  candidate: ['prepared', 'published'],
  revoking: ['published', 'active', 'retiring', 'retired', 'tainted'],
  delegate: ['active'],
}

/**
 * An authority together with its key. One that exists has the key that its record and its certificate name, and stands
 * as its type says.
 */
export class SigningAuthority<Its extends Standing = Standing> {
  readonly #signer: Signer
  readonly standing: Its
  readonly authorityId: string
  readonly kind: AuthorityKind
  /** Id of the authority that signed its certificate; null when self-signed or not X.509. */
  readonly issuer: string | null
  readonly kid: string
  readonly algorithm: SignatureAlgorithm
  readonly publicKey: PublicKey
  /** Null for token kinds, and for a candidate whose certificate is yet to be signed. */
  readonly certificate: Certificate | null
  readonly notBefore: Instant
  readonly notAfter: Instant

  private constructor(standing: Its, record: AuthorityRecord, signer: Signer) {
    this.#signer = signer
    this.standing = standing
    this.authorityId = record.id
    this.kind = record.kind
    this.issuer = record.issuer
    this.kid = record.kid
    this.algorithm = record.algorithm
    this.publicKey = parsePublicKey(record.publicKey)
    this.certificate = record.certificate === null ? null : parseCertificate(record.certificate)
    this.notBefore = record.notBefore
    this.notAfter = record.notAfter
  }

  /** See `activeSigner` and `candidateSigner`. */
  static of<Its extends Standing>(standing: Its, record: AuthorityRecord, signer: Signer): SigningAuthority<Its> {
    const isOfItsKind = (standing === 'delegate') === (record.kind === 'ocsp')
    if (!isOfItsKind || !STATES[standing].includes(record.state)) {
      throw authorityError('AUTHORITY_NOT_ACTIVE', { details: { authority: record.id, state: record.state } })
    }
    const isSameKey = equal(signer.publicKey, record.publicKey) && signer.algorithm === record.algorithm
    if (!isSameKey) throw authorityError('AUTHORITY_KEY_MISMATCH', { details: { authority: record.id } })
    const authority = new SigningAuthority(standing, record, signer)
    if (standing === 'delegate') requireDelegate(authority.certificate, record)
    else if (authority.certificate !== null) requireAuthority(authority.certificate, record)
    return authority
  }

  /** Rejects when the key's home is unavailable: nothing is issued then. */
  sign(message: Bytes): Promise<Bytes> {
    return this.#signer.sign(message)
  }

  /** Judges by the public key of the record, never by what the signer says of itself. */
  verify(message: Bytes, signature: Bytes): boolean {
    return this.publicKey.verify(this.algorithm, message, signature)
  }
}

/** Proof that the authority was active when the set was read. */
export type ActiveSigner = SigningAuthority<'active'>
export type CandidateSigner = SigningAuthority<'candidate'>
/** Proof that the authority is or was one that signs for others: it may say what was taken back, and nothing else. */
export type RevokingSigner = SigningAuthority<'revoking'>
/** Proof that it is the OCSP responder of its issuer, by a certificate that is good for nothing else (O4). */
export type DelegateSigner = SigningAuthority<'delegate'>

/** @throws AUTHORITY_NOT_ACTIVE, AUTHORITY_KEY_MISMATCH, AUTHORITY_CERTIFICATE_INVALID */
export function activeSigner(record: AuthorityRecord, signer: Signer): ActiveSigner {
  return SigningAuthority.of('active', record, signer)
}

/** @throws AUTHORITY_NOT_ACTIVE unless prepared or published, AUTHORITY_KEY_MISMATCH, AUTHORITY_CERTIFICATE_INVALID */
export function candidateSigner(record: AuthorityRecord, signer: Signer): CandidateSigner {
  return SigningAuthority.of('candidate', record, signer)
}

/** @throws AUTHORITY_NOT_ACTIVE when it is only prepared, AUTHORITY_KEY_MISMATCH, AUTHORITY_CERTIFICATE_INVALID */
export function revokingSigner(record: AuthorityRecord, signer: Signer): RevokingSigner {
  return SigningAuthority.of('revoking', record, signer)
}

/** @throws AUTHORITY_NOT_ACTIVE unless it is an active responder, AUTHORITY_KEY_MISMATCH, AUTHORITY_CERTIFICATE_INVALID */
export function delegateSigner(record: AuthorityRecord, signer: Signer): DelegateSigner {
  return SigningAuthority.of('delegate', record, signer)
}

/** @throws AUTHORITY_CERTIFICATE_INVALID unless it is made for OCSP and nothing else; AUTHORITY_KEY_MISMATCH */
function requireDelegate(certificate: Certificate | null, key: { readonly publicKey: Bytes }): void {
  const purposes = certificate?.extension('extKeyUsage')?.purposes ?? []
  if (certificate === null || certificate.isAuthority || purposes.join() !== PURPOSE.ocspSigning) {
    throw authorityError('AUTHORITY_CERTIFICATE_INVALID')
  }
  if (!equal(certificate.publicKey.spki, key.publicKey)) throw authorityError('AUTHORITY_KEY_MISMATCH')
}

/** @throws AUTHORITY_CERTIFICATE_INVALID unless it may sign certificates and CRLs; AUTHORITY_KEY_MISMATCH */
export function requireAuthority(certificate: Certificate, key: { readonly publicKey: Bytes }): void {
  const usages = certificate.extension('keyUsage')?.usages ?? []
  if (!certificate.isAuthority || !usages.includes('keyCertSign') || !usages.includes('cRLSign')) {
    throw authorityError('AUTHORITY_CERTIFICATE_INVALID')
  }
  if (!equal(certificate.publicKey.spki, key.publicKey)) throw authorityError('AUTHORITY_KEY_MISMATCH')
}
