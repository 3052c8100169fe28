import type { AuthoritySet } from '#authority/index.ts'
import type { Bytes } from '#kernel/bytes.ts'

/**
 * What a join token carries (promise 13): SHA-256 of the SPKI of the anchor above the authority that signs now, and of
 * every other one, since it may sign by the time that the token is used; what lasts longest first, and as many as fit.
 */
export function anchorPins(authorities: AuthoritySet): readonly Bytes[] {
  const current = authorities.anchorOf(authorities.active('x509').authorityId)
  const others = authorities.anchors().filter((anchor) => anchor !== current)
  const next = others.toSorted((left, right) => right.notAfter - left.notAfter)
  return [current, ...next].map((anchor) => anchor.publicKey.spkiHash)
}
