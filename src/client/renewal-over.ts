import { isWritError } from '#kernel/errors.ts'

const OVER = ['ATTESTATION_TOO_OLD', 'POLICY_ATTESTATION_AGE', 'CLIENT_CERTIFICATE_EXPIRED', 'WIT_EXPIRED']

/**
 * Whether a renewal was refused for good, though nothing was taken back: the attestation is too old, or the certificate,
 * or the WIT-SVID of who has none in TLS, has been expired for too long. Whoever can show its evidence again enrolls anew. An instance that was revoked or
 * superseded is not meant: it does not come back by itself.
 */
export function isRenewalOver(error: unknown): boolean {
  return isWritError(error, ...OVER)
}
