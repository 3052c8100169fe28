import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import type { RevocationReason } from '../crl/types.ts'

/** The hash by which a CertID names the issuer. SHA-1 is not a signature here: it is a name that old clients use (O7). */
export const CERT_ID_HASHES = { sha1: '1.3.14.3.2.26', sha256: '2.16.840.1.101.3.4.2.1' } as const
export type CertIdHash = keyof typeof CERT_ID_HASHES

/** RFC 6960 section 4.1.1: one certificate, by the hashes of its issuer's name and key. */
export interface CertId {
  readonly hash: CertIdHash
  readonly issuerNameHash: Bytes
  readonly issuerKeyHash: Bytes
  /** Contents octets of the serial number. */
  readonly serial: Bytes
}

/** What a client asks. Who asks, and its signature, are not looked at (O11). */
export interface OcspRequest {
  readonly certIds: readonly CertId[]
  readonly nonce: Bytes | undefined
}

export type CertStatus =
  | { readonly kind: 'good' }
  | { readonly kind: 'revoked'; readonly at: Instant; readonly reason: RevocationReason }
  | { readonly kind: 'unknown' }

export interface SingleResponse {
  readonly certId: CertId
  readonly status: CertStatus
  /** Whole seconds; so is `nextUpdate`. */
  readonly thisUpdate: Instant
  readonly nextUpdate: Instant
}

/** RFC 6960 section 4.2.1; the ones that carry no answer. */
export const OCSP_FAILURES = {
  malformedRequest: 1,
  internalError: 2,
  tryLater: 3,
  sigRequired: 5,
  unauthorized: 6,
} as const
export type OcspFailure = keyof typeof OCSP_FAILURES
