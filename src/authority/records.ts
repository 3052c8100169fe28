import type { Bytes } from '#kernel/bytes.ts'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Instant } from '#kernel/instant.ts'

export const AUTHORITY_KINDS = [
  'x509-root',
  'x509',
  'ocsp',
  'jwt-svid',
  'wit-svid',
  'access-token',
  'status',
  'events',
  'checkpoint',
] as const
export type AuthorityKind = (typeof AUTHORITY_KINDS)[number]

/** CAEP interoperability asks for RS256 of security events; everything else of ours is small and fast. */
export function algorithmOf(kind: AuthorityKind): SignatureAlgorithm {
  return kind === 'events' ? 'RS256' : 'ES256'
}

export type AuthorityState = 'prepared' | 'published' | 'active' | 'retiring' | 'retired' | 'tainted'

/** A signing key of ours. X.509 kinds carry a certificate, token kinds only their public key. */
export interface AuthorityRecord {
  readonly id: string
  readonly kind: AuthorityKind
  readonly algorithm: SignatureAlgorithm
  /** What the key port opens; never key material. */
  readonly keyReference: string
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Bytes
  /** RFC 7638 thumbprint of the public key. */
  readonly kid: string
  readonly certificate: Bytes | null
  /** Id of the authority that signed the certificate; null when self-signed or not X.509. */
  readonly issuer: string | null
  readonly state: AuthorityState
  readonly notBefore: Instant
  readonly notAfter: Instant
  readonly version: number
  readonly createdAt: Instant
  /** When others could first see it. */
  readonly publishedAt: Instant | null
  readonly activatedAt: Instant | null
  readonly retiredAt: Instant | null
}

/** Which trust an instance was last seen with; what the gates of a rotation are measured by. */
export interface AdoptionRecord {
  readonly instance: string
  readonly agent: string
  /** Id of the authority that signed the certificate which it presented. */
  readonly authority: string
  /** Sequence of the bundle that it said it holds; 0 when it said nothing. */
  readonly sequence: number
  readonly seenAt: Instant
}
