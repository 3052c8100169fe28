import { equal, toBase64Url, toHex, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant, Milliseconds } from '#kernel/instant.ts'
import type { SpiffeId, TrustDomain } from '#spiffe/index.ts'
import { buildPath, parseCertificate, svidIdOf, type Certificate, type VerifiedPath } from '#x509/index.ts'
import { authenticationError, type AUTHENTICATION_ERRORS } from './errors.ts'

/** Those whom we trust to have issued a client's certificate, as they are now. */
export interface Trust {
  readonly trustDomain: TrustDomain
  readonly anchors: readonly Certificate[]
  /** Our own issuing authorities below the anchors. What a client sends behind its leaf is not looked at. */
  readonly intermediates: readonly Certificate[]
}

/** A leaf that leads to a current authority of ours; nothing is known yet of what became of it since. */
export class PresentedCertificate {
  readonly #leaf: Certificate
  readonly spiffeId: SpiffeId
  /** True when it is within the grace that was allowed after its expiry. */
  readonly expired: boolean
  readonly #expiresAt: Instant

  private constructor(leaf: Certificate, spiffeId: SpiffeId, path: VerifiedPath) {
    this.#leaf = leaf
    this.spiffeId = spiffeId
    this.expired = path.expired
    this.#expiresAt = path.expiresAt
  }

  /** See `verifyPresented`. */
  static verify(
    der: Bytes,
    trust: Trust,
    moment: { readonly at: Instant; readonly grace: Milliseconds },
  ): PresentedCertificate {
    const leaf = parseCertificate(der)
    const spiffeId = svidIdOf(leaf)
    if (!spiffeId.isMemberOf(trust.trustDomain)) throw authenticationError('CLIENT_CERTIFICATE_TRUST_DOMAIN')
    const options = { at: moment.at, purpose: 'clientAuth', expiryGrace: moment.grace } as const
    const path = buildPath(leaf, trust.intermediates, trust.anchors, options)
    return new PresentedCertificate(leaf, spiffeId, path)
  }

  /** Hex, as our rows have it. */
  get serial(): string {
    return toHex(this.#leaf.serial)
  }

  /** `x5t#S256` (RFC 8705 section 3.1). */
  get thumbprint(): string {
    return toBase64Url(this.#leaf.fingerprint)
  }

  /** Whether it and every authority above it is valid at another moment as well. */
  isValid(at: Instant): boolean {
    return this.#leaf.notBefore <= at && at <= this.#expiresAt
  }

  /** Whether it is this very certificate, octet for octet. */
  is(der: Bytes | null): boolean {
    return der !== null && equal(this.#leaf.der, der)
  }
}

/**
 * Verifies the first certificate of what a client presented (RFC 5280 section 6.1, X509-SVID section 5).
 * @throws CLIENT_CERTIFICATE_INVALID, CLIENT_CERTIFICATE_TRUST_DOMAIN, CLIENT_CERTIFICATE_UNTRUSTED,
 * CLIENT_CERTIFICATE_EXPIRED, CLIENT_CERTIFICATE_NOT_YET_VALID
 */
export function verifyPresented(
  chain: readonly Bytes[],
  trust: Trust,
  moment: { readonly at: Instant; readonly grace: Milliseconds },
): PresentedCertificate {
  const [leaf] = chain
  if (leaf === undefined) throw authenticationError('AUTHENTICATION_REQUIRED')
  try {
    return PresentedCertificate.verify(leaf, trust, moment)
  } catch (cause) {
    if (!isWritError(cause) || cause.code in OURS) throw cause
    throw authenticationError(CODES[cause.code] ?? 'CLIENT_CERTIFICATE_INVALID', {
      details: { reason: cause.code },
      cause,
    })
  }
}

type Code = keyof typeof AUTHENTICATION_ERRORS

const OURS = { CLIENT_CERTIFICATE_TRUST_DOMAIN: true }

const CODES: Readonly<Record<string, Code>> = {
  CERTIFICATE_EXPIRED: 'CLIENT_CERTIFICATE_EXPIRED',
  CERTIFICATE_NOT_YET_VALID: 'CLIENT_CERTIFICATE_NOT_YET_VALID',
  PATH_NOT_FOUND: 'CLIENT_CERTIFICATE_UNTRUSTED',
  PATH_SIGNATURE_INVALID: 'CLIENT_CERTIFICATE_UNTRUSTED',
}
