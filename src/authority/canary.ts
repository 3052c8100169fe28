import { generateKeyPairSync } from 'node:crypto'
import type { Instant } from '#kernel/instant.ts'
import { isWritError } from '#kernel/errors.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import { parsePublicKey, verifyX509Svid, type Certificate, type PublicKey } from '#x509/index.ts'
import { authorityError } from './errors.ts'

export interface CanaryCheck {
  readonly leaf: Certificate
  /** What is sent behind a leaf of the candidate. */
  readonly chain: readonly Certificate[]
  /** What everybody trusts by now. */
  readonly anchors: readonly Certificate[]
  readonly trustDomain: TrustDomain
  readonly now: Instant
}

/**
 * Verifies a trial leaf of a candidate as any peer would, before the candidate signs for others. It finds what looking
 * at the authority alone does not: a candidate that nobody trusts yet, a broken chain, a constraint that is too narrow.
 * @throws AUTHORITY_CANARY_FAILED
 */
export function checkCanary({ leaf, chain, anchors, trustDomain, now }: CanaryCheck): void {
  const presented = [leaf, ...chain].map(({ der }) => der)
  const anchorsOf = (domain: TrustDomain) => (domain.equals(trustDomain) ? anchors : undefined)
  try {
    for (const purpose of ['serverAuth', 'clientAuth'] as const)
      verifyX509Svid(presented, anchorsOf, { at: now, purpose })
  } catch (cause) {
    const code = isWritError(cause) ? cause.code : 'unknown'
    throw authorityError('AUTHORITY_CANARY_FAILED', { details: { reason: code }, cause })
  }
}

/** The key of a canary: its private half is gone before the function returns. */
export function throwawayKey(): PublicKey {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return parsePublicKey(new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })))
}
