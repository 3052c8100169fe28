import { toHex } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Certificate, X509Svid } from '#x509/index.ts'
import { namesOf } from './spiffe-names.ts'

/** What of a verified certificate can be compared with what was taken back. */
export interface CertificateFacts {
  readonly trustDomain: string
  /** The SPIFFE ID of the instance, and that of its agent. */
  readonly agents: readonly string[]
  /** Of the leaf and of every authority below the anchor, hex. */
  readonly serials: readonly string[]
  /** SHA-256 of the leaf's SubjectPublicKeyInfo, hex. */
  readonly spki: string
  readonly issuedAt: Instant
  /** Who has signed each certificate below the anchor, by key identifier in hex, and when. */
  readonly authorities: readonly { readonly keyIdentifier: string; readonly issuedAt: Instant }[]
}

export function factsOf({ spiffeId, path, certificate }: X509Svid): CertificateFacts {
  const below = path.certificates.slice(0, -1)
  return {
    trustDomain: spiffeId.trustDomain.name,
    agents: namesOf(spiffeId.toString()),
    serials: below.map(({ serial }) => toHex(serial)),
    spki: toHex(certificate.publicKey.spkiHash),
    issuedAt: issueTimeOf(certificate),
    authorities: below.map((one, index) => ({
      keyIdentifier: signerOf(one, path.certificates[index + 1] ?? one),
      issuedAt: issueTimeOf(one),
    })),
  }
}

/** Where a certificate does not say when it was issued, notBefore stands for it: that is never later. */
function issueTimeOf(certificate: Certificate): Instant {
  return certificate.extension('writAttestation')?.issuedAt ?? certificate.notBefore
}

/** The key identifier that the certificate names, or that of the key that has signed it. */
function signerOf(certificate: Certificate, issuer: Certificate): string {
  const named = certificate.extension('authorityKeyIdentifier')?.keyIdentifier
  return toHex(named ?? issuer.publicKey.keyIdentifier)
}
