import type { Bytes } from '#kernel/bytes.ts'
import { decodeJwks, type KeySet } from '#jwt/index.ts'
import { decodeBundle, type Bundle, type TrustDomain } from '#spiffe/index.ts'
import { parseCertificate, type Certificate } from '#x509/index.ts'

/** What a receiver trusts at one moment. A new object replaces the old; nothing in it changes. */
export interface Trust {
  readonly trustDomain: TrustDomain
  readonly anchors: readonly Certificate[]
  /** The issuer's keys for task tokens. */
  readonly keys: KeySet
  readonly bundle: Bundle
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
}

/** @throws what decodeBundle, decodeJwks and parseCertificate throw: a document that is partly wrong is not used */
export function parseTrust(trustDomain: TrustDomain, documents: TrustDocuments): Trust {
  const bundle = decodeBundle(trustDomain, documents.bundle)
  const anchors = bundle.x509Authorities.map((certificate) => parseCertificate(certificate))
  return { trustDomain, anchors, keys: decodeJwks(documents.jwks), bundle }
}

/** Trust that never changes, for tests and for services that are restarted at every rotation. */
export function staticTrust(trustDomain: TrustDomain, documents: TrustDocuments): TrustSource {
  const trust = parseTrust(trustDomain, documents)
  return { current: () => trust }
}
