import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import { certificateThumbprint } from '#jwt/index.ts'
import type { SpiffeId } from '#spiffe/index.ts'
import { verifyX509Svid, type X509Svid } from '#x509/index.ts'
import { factsOf, type CertificateFacts } from './certificate-facts.ts'
import { receiverError } from './errors.ts'
import type { Trust } from './trust.ts'

/** The other end of a TLS connection, whose certificate was verified against the bundle of the trust domain. */
export class Peer {
  readonly spiffeId: SpiffeId
  /** `x5t#S256` */
  readonly thumbprint: string
  /** The last moment at which the whole chain is valid. */
  readonly expiresAt: Instant
  /** What can be compared with what was taken back. */
  readonly facts: CertificateFacts
  readonly #svid: X509Svid

  private constructor(svid: X509Svid) {
    this.#svid = svid
    this.spiffeId = svid.spiffeId
    this.thumbprint = certificateThumbprint(svid.certificate.der)
    this.expiresAt = svid.path.expiresAt
    this.facts = factsOf(svid)
  }

  /**
   * X509-SVID section 5 against the anchors of our trust domain and no other, and the CRLs of what lies between; what
   * TLS thought of the chain is not asked. `chain` is DER, leaf first.
   * @throws RECEIVER_CERTIFICATE_MISSING, RECEIVER_CERTIFICATE_INVALID with the reason in its details
   */
  static verify(chain: readonly Bytes[], trust: Trust, at: Instant): Peer {
    if (chain.length === 0) throw receiverError('RECEIVER_CERTIFICATE_MISSING')
    try {
      const svid = verifyX509Svid(chain, (domain) => (domain.equals(trust.trustDomain) ? trust.anchors : undefined), {
        at,
        purpose: 'clientAuth',
        crls: trust.crls,
        requireIntermediateCrl: trust.requireIntermediateCrl,
      })
      return new Peer(svid)
    } catch (cause) {
      if (!isWritError(cause)) throw cause
      throw receiverError('RECEIVER_CERTIFICATE_INVALID', { details: { reason: cause.code }, cause })
    }
  }

  get certificate(): Bytes {
    return this.#svid.certificate.der
  }
}
