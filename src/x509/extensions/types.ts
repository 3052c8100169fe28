import type { KeyClass, KeyClassSource } from '#kernel/algorithms.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'

/** In the order of their bits (RFC 5280 section 4.2.1.3). */
export const KEY_USAGES = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const

export type KeyUsage = (typeof KEY_USAGES)[number]

/** RFC 5280 section 4.2.1.6. `ip` is 4 or 16 octets, `directory` a Name, `other` the whole element of any other kind. */
export type GeneralName =
  | { readonly type: 'uri'; readonly value: string }
  | { readonly type: 'dns'; readonly value: string }
  | { readonly type: 'email'; readonly value: string }
  | { readonly type: 'ip'; readonly value: Bytes }
  | { readonly type: 'directory'; readonly value: Bytes }
  | { readonly type: 'other'; readonly tag: number; readonly value: Bytes }

export interface BasicConstraints {
  readonly kind: 'basicConstraints'
  readonly critical: boolean
  readonly ca: boolean
  readonly pathLength: number | undefined
}

export interface KeyUsageExtension {
  readonly kind: 'keyUsage'
  readonly critical: boolean
  /** In bit order, each once. */
  readonly usages: readonly KeyUsage[]
}

export interface ExtKeyUsage {
  readonly kind: 'extKeyUsage'
  readonly critical: boolean
  /** Object identifiers; `PURPOSE` names the common ones. */
  readonly purposes: readonly string[]
}

export interface SubjectAltName {
  readonly kind: 'subjectAltName'
  readonly critical: boolean
  readonly names: readonly GeneralName[]
}

export interface AuthorityKeyIdentifier {
  readonly kind: 'authorityKeyIdentifier'
  readonly critical: boolean
  readonly keyIdentifier: Bytes | undefined
  /** authorityCertIssuer and authorityCertSerialNumber, as encoded; never in certificates of ours. */
  readonly issuerAndSerial: Bytes | undefined
}

export interface SubjectKeyIdentifier {
  readonly kind: 'subjectKeyIdentifier'
  readonly critical: boolean
  readonly keyIdentifier: Bytes
}

/** One distribution point of plain URIs; any other form is read as `other`. */
export interface CrlDistributionPoints {
  readonly kind: 'crlDistributionPoints'
  readonly critical: boolean
  readonly uris: readonly string[]
}

/** The accesses by URI of the two methods of RFC 5280; any other form is read as `other`. */
export interface AuthorityInfoAccess {
  readonly kind: 'authorityInfoAccess'
  readonly critical: boolean
  readonly accesses: readonly { readonly method: 'ocsp' | 'caIssuers'; readonly uri: string }[]
}

export interface NameConstraints {
  readonly kind: 'nameConstraints'
  readonly critical: boolean
  /** `ip` bases are address and mask, 8 or 32 octets. */
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

/** RFC 6960 section 4.2.2.2.1: the responder's certificate need not be checked for revocation. */
export interface OcspNoCheck {
  readonly kind: 'ocspNoCheck'
  readonly critical: boolean
}

/** What Writ says about the instance beside its name; docs/attestation-extension.asn1.md. */
export interface WritAttestation {
  readonly kind: 'writAttestation'
  readonly critical: boolean
  /** Where it is registered; `ATTESTATION_OID` when absent. */
  readonly oid?: string | undefined
  readonly issuedAt: Instant
  readonly keyClass: KeyClass
  readonly keyClassSource: KeyClassSource
  /** Name of the attestor, 1 to 64 characters of ASCII. */
  readonly attestor: string
  /** SHA-256, salted. */
  readonly evidenceDigest: Bytes
  /** The instance, 1 to 64 characters of ASCII, where the SPIFFE ID does not name it. */
  readonly instance?: string | undefined
}

/** An extension that is not understood, or understood and in a form that is not; its value as it came. */
export interface OtherExtension {
  readonly kind: 'other'
  readonly critical: boolean
  readonly oid: string
  readonly value: Bytes
}

/** One union for what is read and what is written: what was read writes back to the same bytes. */
export type Extension =
  | BasicConstraints
  | KeyUsageExtension
  | ExtKeyUsage
  | SubjectAltName
  | AuthorityKeyIdentifier
  | SubjectKeyIdentifier
  | CrlDistributionPoints
  | AuthorityInfoAccess
  | NameConstraints
  | OcspNoCheck
  | WritAttestation
  | OtherExtension

export type KnownExtensionKind = Exclude<Extension['kind'], 'other'>
export type ExtensionOf<Kind extends Extension['kind']> = Extract<Extension, { kind: Kind }>
