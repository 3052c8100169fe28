import type { Bytes } from '#kernel/bytes.ts'
import { decodeJwks, type KeySet } from '#jwt/index.ts'
import { decodeBundle, type Bundle, type TrustDomain } from '#spiffe/index.ts'
import { parseCertificate, parseCrl, type Certificate, type Crl } from '#x509/index.ts'

/** What a receiver trusts at one moment. A new object replaces the old; nothing in it changes. */
export interface Trust {
  readonly trustDomain: TrustDomain
  readonly anchors: readonly Certificate[]
  /** The issuer's keys for task tokens. */
  readonly keys: KeySet
  readonly bundle: Bundle
  /** What was taken back of the authorities below the anchors. */
  readonly crls: readonly Crl[]
  /** Whether a chain with an intermediate of which no current CRL speaks is refused. */
  readonly requireIntermediateCrl: boolean
}

/** Gives what is trusted now, or refuses: an old view is never better than none. */
export interface TrustSource {
  /** @throws RECEIVER_TRUST_MISSING, RECEIVER_TRUST_STALE */
  current(): Trust
}

export interface TrustDocuments {
  /** The SPIFFE bundle of the trust domain, as `/bundle` serves it. */
  readonly bundle: Bytes | string
  /** The issuer's JWK Set, as `/oauth2/jwks` serves it. */
  readonly jwks: Bytes | string
  /** DER; each is verified against the authority that has signed it, when a chain contains one. */
  readonly crls?: readonly Bytes[]
  readonly requireIntermediateCrl?: boolean
}

/** @throws what decodeBundle, decodeJwks, parseCertificate and parseCrl throw: a document that is partly wrong is not used */
export function parseTrust(trustDomain: TrustDomain, documents: TrustDocuments): Trust {
  const bundle = decodeBundle(trustDomain, documents.bundle)
  const anchors = bundle.x509Authorities.map((certificate) => parseCertificate(certificate))
  const { crls = [], requireIntermediateCrl = false } = documents
  return {
    trustDomain,
    anchors,
    keys: decodeJwks(documents.jwks),
    bundle,
    crls: crls.map((crl) => parseCrl(crl)),
    requireIntermediateCrl,
  }
}

/** Trust that never changes, for tests and for services that are restarted at every rotation. */
export function staticTrust(trustDomain: TrustDomain, documents: TrustDocuments): TrustSource {
  const trust = parseTrust(trustDomain, documents)
  return { current: () => trust }
}
