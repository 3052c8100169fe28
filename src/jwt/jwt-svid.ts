import { isWritError } from '#kernel/errors.ts'
import { toNumericDate, type Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { SpiffeId, type TrustDomain } from '#spiffe/index.ts'
import { checkAudience, checkIssuer, checkTimes, ClaimReader, type Moment } from './claims.ts'
import { parseCompact } from './compact.ts'
import { jwtError } from './errors.ts'
import type { KeySet } from './key-set.ts'
import { VerifiedToken } from './verify.ts'

export interface JwtSvidFields {
  readonly issuer: string
  readonly subject: SpiffeId
  /** At least one; one is strongly recommended (JWT-SVID section 3.2). */
  readonly audience: readonly string[]
  readonly issuedAt: Instant
  readonly expiresAt: Instant
  readonly id: string
  /** The instance, where the SPIFFE ID does not name it. */
  readonly instance?: string | undefined
}

/** The claims of a JWT-SVID (JWT-SVID section 3) with `jti`. @throws JWT_CLAIM_INVALID without audience */
export function jwtSvidClaims(fields: JwtSvidFields): JsonObject {
  const [first, ...others] = fields.audience
  if (first === undefined || fields.audience.includes('')) {
    throw jwtError('JWT_CLAIM_INVALID', { details: { claim: 'aud' } })
  }
  return {
    iss: fields.issuer,
    sub: fields.subject.toString(),
    aud: others.length === 0 ? first : fields.audience,
    iat: toNumericDate(fields.issuedAt),
    exp: toNumericDate(fields.expiresAt),
    jti: fields.id,
    ...(fields.instance === undefined ? {} : { instance: fields.instance }),
  }
}

export interface JwtSvidRules extends Moment {
  /** The `jwt-svid` keys of a trust domain's bundle, or undefined when it is not trusted. */
  readonly keysOf: (trustDomain: TrustDomain) => KeySet | undefined
  readonly audience: string
  /** Whether `audience` may be one of several. */
  readonly audienceRule: 'sole' | 'among'
  /** Where given, `iss` must be exactly this. The standard does not define `iss`: trust comes from the bundle. */
  readonly issuer?: string
}

/** A verified JWT-SVID: who holds it is not proved by it, it is a bearer token. */
export class JwtSvid {
  readonly subject: SpiffeId
  readonly audience: readonly string[]
  readonly issuedAt: Instant | undefined
  readonly expiresAt: Instant
  /** `jti`, where the issuer sets one. */
  readonly id: string | undefined
  readonly kid: string
  readonly #token: VerifiedToken

  private constructor(token: VerifiedToken, subject: SpiffeId) {
    const claims = new ClaimReader(token.claims)
    this.subject = subject
    this.audience = claims.audience()
    this.issuedAt = claims.optionalInstant('iat')
    this.expiresAt = claims.instant('exp')
    this.id = claims.optionalString('jti')
    this.kid = token.kid
    this.#token = token
  }

  /**
   * JWT-SVID section 5 and Workload API section 6.3: the key comes from the bundle of the subject's trust domain only.
   * @throws the codes of parseCompact and VerifiedToken.verify, JWT_CLAIM_*, JWT_SUBJECT_WRONG,
   *   JWT_TRUST_DOMAIN_UNKNOWN, JWT_AUDIENCE_WRONG, JWT_ISSUER_WRONG, JWT_EXPIRED, JWT_NOT_YET_VALID
   */
  static verify(text: string, rules: JwtSvidRules): JwtSvid {
    const unverified = parseCompact(text, 'jwt-svid')
    const subject = subjectOf(new ClaimReader(unverified.claims))
    const keys = rules.keysOf(subject.trustDomain)
    if (keys === undefined) throw jwtError('JWT_TRUST_DOMAIN_UNKNOWN')
    const token = VerifiedToken.verify(unverified, keys)
    const claims = new ClaimReader(token.claims)
    checkTimes(claims, rules)
    checkAudience(claims, rules.audience, rules.audienceRule)
    if (rules.issuer !== undefined) checkIssuer(claims, rules.issuer)
    return new JwtSvid(token, subject)
  }

  /** Every claim, for those that the standard does not define. */
  get claims(): JsonObject {
    return this.#token.claims
  }
}

/** @throws JWT_CLAIM_MISSING, JWT_CLAIM_INVALID, JWT_SUBJECT_WRONG */
export function subjectOf(claims: ClaimReader): SpiffeId {
  const subject = claims.string('sub')
  try {
    return SpiffeId.parse(subject)
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw jwtError('JWT_SUBJECT_WRONG', { cause })
  }
}
