import { after, instant, SECOND, wholeSecond, type Instant, type Milliseconds } from '#kernel/instant.ts'
import { issuanceError } from './errors.ts'
import type { CertificateProfile } from './profile.ts'

export interface Validity {
  readonly notBefore: Instant
  readonly notAfter: Instant
  /** Whether the issuer's end came first. */
  readonly cut: boolean
}

export interface ValidityOrder {
  readonly profile: CertificateProfile
  readonly issuedAt: Instant
  readonly lifetime: Milliseconds
  /** The life of who signs; null when it signs itself. */
  readonly issuer: { readonly notBefore: Instant; readonly notAfter: Instant } | null
}

/**
 * In whole seconds, within the issuer's own life. It begins a little back, for clocks that are behind, but by no more
 * than a tenth of the life.
 * @throws LIFETIME_TOO_SHORT when the issuer ends too soon, LINT_FAILED for a life longer than the profile allows
 */
export function validityOf({ profile, issuedAt, lifetime, issuer }: ValidityOrder): Validity {
  if (lifetime > profile.mostLifetime) throw issuanceError('LINT_FAILED', { details: { rules: 'validity' } })
  const start = wholeSecond(issuedAt)
  const wanted = after(start, lifetime)
  const notAfter = instant(Math.min(wanted, issuer?.notAfter ?? wanted))
  if (notAfter - start < profile.leastLifetime) {
    throw issuanceError('LIFETIME_TOO_SHORT', { details: { left: notAfter - start } })
  }
  const backdate = Math.min(profile.backdate, Math.floor((notAfter - start) / 10 / SECOND) * SECOND)
  const notBefore = instant(Math.max(start - backdate, issuer?.notBefore ?? 0))
  return { notBefore, notAfter, cut: notAfter < wanted }
}
