import type { Instant } from '#kernel/instant.ts'
import { parsePublicJwk, type PublicJwk, type SpiffeId } from '#spiffe/index.ts'
import { isJwsAlgorithm, type JwsAlgorithm } from './algorithms.ts'
import { ClaimReader, invalid } from './claims.ts'
import type { UnverifiedToken } from './compact.ts'
import { jwtError } from './errors.ts'
import { isObject } from './json-shape.ts'
import { subjectOf } from './jwt-svid.ts'
import { VerificationKey } from './key-set.ts'
import { thumbprint } from './jwk.ts'
import type { VerifiedToken } from './verify.ts'

/** What a WIT-SVID says (WIT-SVID section 3). Worth nothing without a proof of the key in it. */
export interface WitSvidClaims {
  readonly subject: SpiffeId
  readonly expiresAt: Instant
  readonly key: PublicJwk
  /** The one algorithm that a proof may be signed with. */
  readonly algorithm: JwsAlgorithm
  readonly id: string | undefined
}

/**
 * Reads the claims of a WIT-SVID.
 * @throws JWT_CLAIM_NOT_ALLOWED for an `aud`, JWT_CLAIM_MISSING, JWT_CLAIM_INVALID, JWT_SUBJECT_WRONG, JWK_*
 */
export function readWitSvidClaims(token: VerifiedToken | UnverifiedToken): WitSvidClaims {
  const claims = new ClaimReader(token.claims)
  if (claims.has('aud')) throw jwtError('JWT_CLAIM_NOT_ALLOWED', { details: { claim: 'aud' } })
  const jwk = claims.object('cnf').value('jwk')
  const algorithm = isObject(jwk) ? jwk['alg'] : undefined
  if (!isObject(jwk) || !isJwsAlgorithm(algorithm)) throw invalid('cnf')
  const key = parsePublicJwk(jwk)
  if (key === undefined) throw invalid('cnf')
  // Refuses an algorithm that does not fit the key.
  new VerificationKey(thumbprint(key), key, algorithm)
  return {
    subject: subjectOf(claims),
    expiresAt: claims.instant('exp'),
    key,
    algorithm,
    id: claims.optionalString('jti'),
  }
}
