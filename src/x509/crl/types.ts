import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'

/**
 * Why a certificate was taken back, with its number (RFC 5280 section 5.3.1). There is no certificateHold, since what
 * is revoked stays revoked, and no removeFromCRL, which only delta CRLs have (R9).
 */
export const REVOCATION_REASONS = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
  aACompromise: 10,
} as const

export type RevocationReason = keyof typeof REVOCATION_REASONS

/** One line of a CRL. */
export interface RevokedCertificate {
  /** Contents octets of the certificate's serial number, as the certificate has them (R10). */
  readonly serial: Bytes
  /** Whole seconds. */
  readonly revokedAt: Instant
  readonly reason: RevocationReason
}

/** What a CRL covers, where it does not cover all that its issuer signed (RFC 5280 section 5.2.5). */
export interface CrlScope {
  /** The URI of the certificates' distribution point, byte for byte (R6). */
  readonly distributionPoint: string | undefined
  readonly only: 'userCertificates' | 'authorityCertificates' | undefined
}

export interface CrlLimits {
  readonly maxBytes: number
  readonly maxEntries: number
}
