import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { SpiffeId, type TrustDomain } from '#spiffe/index.ts'
import { parseCertificate, type Certificate } from './certificate.ts'
import { x509Error } from './errors.ts'
import { leafFindings, uriNames } from './findings.ts'
import { buildPath, MAX_PATH_CERTIFICATES, type VerifiedPath } from './path/build.ts'
import type { PathOptions } from './path/validate.ts'

/** The anchors of a trust domain's bundle; undefined for a domain that is not known. */
export type AnchorsOf = (trustDomain: TrustDomain) => readonly Certificate[] | undefined

/** A certificate chain that names a workload. One that exists was verified; its expiry is on the path. */
export class X509Svid {
  readonly spiffeId: SpiffeId
  readonly #path: VerifiedPath

  private constructor(spiffeId: SpiffeId, path: VerifiedPath) {
    this.spiffeId = spiffeId
    this.#path = path
  }

  /** See `verifyX509Svid`. */
  static verify(chain: readonly Bytes[], anchorsOf: AnchorsOf, options: PathOptions): X509Svid {
    const [first, ...rest] = chain
    if (first === undefined) throw x509Error('SVID_CHAIN_EMPTY')
    if (chain.length > MAX_PATH_CERTIFICATES) throw x509Error('PATH_TOO_LONG', { details: { length: chain.length } })
    const leaf = parseCertificate(first)
    const spiffeId = svidIdOf(leaf)
    const anchors = anchorsOf(spiffeId.trustDomain)
    if (anchors === undefined || anchors.length === 0) throw x509Error('SVID_TRUST_DOMAIN_UNKNOWN')
    const intermediates = rest.map((der) => parseCertificate(der))
    return new X509Svid(spiffeId, buildPath(leaf, intermediates, anchors, options))
  }

  get path(): VerifiedPath {
    return this.#path
  }

  get certificate(): Certificate {
    return this.#path.leaf
  }
}

/**
 * X509-SVID section 5: the leaf's rules, then RFC 5280 path validation against the bundle of the leaf's own trust
 * domain and no other. Of the chain as presented the first certificate is the leaf, the order of the rest is free.
 * @throws SVID_…, what `parseCertificate` and `buildPath` throw
 */
export function verifyX509Svid(chain: readonly Bytes[], anchorsOf: AnchorsOf, options: PathOptions): X509Svid {
  return X509Svid.verify(chain, anchorsOf, options)
}

/**
 * The SPIFFE ID of a leaf that keeps the validator's rules (X509-SVID sections 2 and 5.2). It says nothing of who
 * signed it.
 * @throws SVID_…
 */
export function svidIdOf(leaf: Certificate): SpiffeId {
  const [finding] = leafFindings(leaf)
  if (finding !== undefined) throw x509Error(finding)
  const [uri = ''] = uriNames(leaf)
  try {
    return SpiffeId.parse(uri)
  } catch (cause) {
    if (isWritError(cause)) throw x509Error('SVID_ID_INVALID', { cause })
    throw cause
  }
}
