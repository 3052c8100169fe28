import type { KeyClass, KeyClassSource, SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Certificate } from '#x509/index.ts'
import type { CertificateProfile } from '../profile.ts'

export interface IssuerFacts {
  /** DER Name. */
  readonly name: Bytes
  readonly keyIdentifier: Bytes
  readonly algorithm: SignatureAlgorithm
  /** The issuer's own end; null when it signs itself. */
  readonly notAfter: Instant | null
}

export interface AttestationFacts {
  readonly keyClass: KeyClass
  readonly keyClassSource: KeyClassSource
  readonly attestor: string
  readonly evidenceDigest: Bytes
  /** Only where the SPIFFE ID does not name the instance. */
  readonly instance?: string | undefined
}

export interface StatusUris {
  readonly crl: string
  /** Null for what a root signs: there is nobody to answer for it but its CRLs, and nothing above it to fetch. */
  readonly online: { readonly ocsp: string; readonly caIssuers: string } | null
}

/** What was decided before anything was encoded: the rules hold the encoding against it. */
export interface Expected {
  readonly profile: CertificateProfile
  readonly issuer: IssuerFacts
  /** DER Name that the key has already; null when it gets one of its own, or none. */
  readonly subject: Bytes | null
  readonly serialPrefix: number
  readonly issuedAt: Instant
  readonly trustDomain: string
  /** Null for what is known by its subject only. */
  readonly spiffeId: string | null
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly Bytes[]
  /** Names that only the server's own certificate may carry; empty for that one. */
  readonly reservedNames: readonly string[]
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Bytes
  readonly attestation: AttestationFacts | null
  readonly attestationOid: string
  /** Null as long as the endpoints do not exist. */
  readonly status: StatusUris | null
  readonly permittedUriHost: string | null
}

/** One thing that must hold of every certificate of ours, judged on the parsed encoding. */
export interface Rule {
  /** Names the rule in errors and logs. */
  readonly name: string
  /** Section of the standard, or of the design. */
  readonly reference: string
  holds(certificate: Certificate, expected: Expected): boolean
}
