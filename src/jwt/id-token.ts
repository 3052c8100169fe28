import { toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { checkAudience, checkIssuer, checkTimes, ClaimReader, type Moment } from './claims.ts'
import { parseCompact } from './compact.ts'
import { jwtError } from './errors.ts'
import type { KeySet } from './key-set.ts'
import { VerifiedToken } from './verify.ts'

export interface IdTokenRules extends Moment {
  readonly keys: KeySet
  readonly issuer: string
  /** Our client ID at that issuer. */
  readonly audience: string
  /** Whether `audience` may be one of several; then `azp` must name it. */
  readonly audienceRule?: 'sole' | 'among'
}

/** A verified OpenID Connect ID token (Core section 2) of a configured issuer. */
export class IdToken {
  readonly issuer: string
  readonly subject: string
  readonly issuedAt: Instant
  readonly expiresAt: Instant
  /** When the person signed in, where the issuer says. */
  readonly authenticatedAt: Instant | undefined
  /** As the client sent it with the request that this token answers. */
  readonly nonce: string | undefined
  /**
   * SHA-256 of what was signed, hex. The signature is left out: an ECDSA signature can be rewritten into another valid
   * one by anybody, and the token would be a new one.
   */
  readonly fingerprint: string
  readonly #token: VerifiedToken

  private constructor(token: VerifiedToken, signed: Bytes) {
    const claims = new ClaimReader(token.claims)
    this.issuer = claims.string('iss')
    this.subject = claims.string('sub')
    this.issuedAt = claims.instant('iat')
    this.expiresAt = claims.instant('exp')
    this.authenticatedAt = claims.optionalInstant('auth_time')
    this.nonce = claims.optionalString('nonce')
    this.fingerprint = toHex(sha256(signed))
    this.#token = token
  }

  /**
   * OpenID Connect Core section 3.1.3.7. A workload's token is refused here even if its keys were trusted.
   * @throws the codes of parseCompact and VerifiedToken.verify, JWT_CLAIM_*, JWT_ISSUER_WRONG, JWT_AUDIENCE_WRONG,
   *   JWT_EXPIRED, JWT_NOT_YET_VALID, JWT_SUBJECT_WRONG
   */
  static verify(text: string, rules: IdTokenRules): IdToken {
    const unverified = parseCompact(text, 'id-token')
    const token = VerifiedToken.verify(unverified, rules.keys)
    const claims = new ClaimReader(token.claims)
    checkIssuer(claims, rules.issuer)
    checkTimes(claims, rules)
    checkAudience(claims, rules.audience, rules.audienceRule ?? 'among')
    checkAuthorizedParty(claims, rules.audience)
    if (claims.string('sub').toLowerCase().startsWith('spiffe:')) throw jwtError('JWT_SUBJECT_WRONG')
    return new IdToken(token, unverified.signingInput)
  }

  get claims(): JsonObject {
    return this.#token.claims
  }
}

/** With several audiences `azp` must say that it was issued to us; where it is present it must say so in any case. */
function checkAuthorizedParty(claims: ClaimReader, audience: string): void {
  const needed = claims.audience().length > 1 || claims.has('azp')
  if (needed && claims.string('azp') !== audience) throw jwtError('JWT_AUDIENCE_WRONG')
}
