import { after, toNumericDate, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { parsePublicJwk, type PublicJwk, type SpiffeId, type TrustDomain } from '#spiffe/index.ts'
import { isJwsAlgorithm, type JwsAlgorithm } from './algorithms.ts'
import { ClaimReader, invalid, type Moment } from './claims.ts'
import { parseCompact, type UnverifiedToken } from './compact.ts'
import { jwtError } from './errors.ts'
import { isObject } from './json-shape.ts'
import { subjectOf } from './jwt-svid.ts'
import { VerificationKey, type KeySet } from './key-set.ts'
import { thumbprint } from './jwk.ts'
import { MAX_PROOF_LENGTH, renamed, type Renaming } from './proof-claims.ts'
import { VerifiedToken } from './verify.ts'

/** What a WIT-SVID says (WIT-SVID section 3). Worth nothing without a proof of the key in it. */
export interface WitSvidClaims {
  readonly subject: SpiffeId
  readonly expiresAt: Instant
  readonly key: PublicJwk
  /** The one algorithm that a proof may be signed with. */
  readonly algorithm: JwsAlgorithm
  readonly id: string | undefined
}

export interface WitSvidFields {
  readonly subject: SpiffeId
  readonly key: PublicJwk
  readonly algorithm: JwsAlgorithm
  readonly issuedAt: Instant
  readonly expiresAt: Instant
  readonly id: string
  /** Serial (hex) of the X.509-SVID for the same key that it was issued beside: whatever ends one ends the other. */
  readonly certificate: string
}

/**
 * The claims of a WIT-SVID of ours (WIT-SVID section 3): no `aud`, which it must not have, and no `iss`, which nobody
 * may look for keys with.
 */
export function witSvidClaims(fields: WitSvidFields): JsonObject {
  return {
    sub: fields.subject.toString(),
    iat: toNumericDate(fields.issuedAt),
    nbf: toNumericDate(fields.issuedAt),
    exp: toNumericDate(fields.expiresAt),
    jti: fields.id,
    cnf: { jwk: { ...fields.key, alg: fields.algorithm } },
    certificate: fields.certificate,
  }
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

export interface WitSvidRules extends Moment {
  /** The `wit-svid` keys of a trust domain's bundle, or undefined when it is not trusted; `iss` is never looked at. */
  readonly keysOf: (trustDomain: TrustDomain) => KeySet | undefined
  /** For how long after its end it is taken all the same; `expired` says so. */
  readonly grace?: Milliseconds
}

const NAMES: Renaming = {
  JWT_TOO_LARGE: 'WIT_MALFORMED',
  JWT_MALFORMED: 'WIT_MALFORMED',
  JWT_JSON_INVALID: 'WIT_MALFORMED',
  JWT_HEADER_NOT_ALLOWED: 'WIT_MALFORMED',
  JWT_HEADER_INVALID: 'WIT_MALFORMED',
  JWT_KEY_ID_MISSING: 'WIT_MALFORMED',
  JWT_ALGORITHM_NOT_ALLOWED: 'WIT_MALFORMED',
  JWT_TYPE_WRONG: 'WIT_TYPE_WRONG',
  JWT_CLAIM_MISSING: 'WIT_CLAIM_INVALID',
  JWT_CLAIM_INVALID: 'WIT_CLAIM_INVALID',
  JWT_CLAIM_NOT_ALLOWED: 'WIT_CLAIM_INVALID',
  JWT_SUBJECT_WRONG: 'WIT_CLAIM_INVALID',
  JWT_KEY_UNSUPPORTED: 'WIT_CLAIM_INVALID',
  JWK_MALFORMED: 'WIT_CLAIM_INVALID',
  JWK_SIZE: 'WIT_CLAIM_INVALID',
  JWK_NOT_PUBLIC: 'WIT_CLAIM_INVALID',
  JWT_KEY_UNKNOWN: 'WIT_KEY_UNKNOWN',
  JWT_SIGNATURE_INVALID: 'WIT_SIGNATURE_INVALID',
}

/** A verified WIT-SVID. Who sends it is not proved by it: that takes a proof by the key in it. */
export class WitSvid {
  /** As it was sent, which a proof hashes. */
  readonly text: string
  /** Of the key that signed it. */
  readonly kid: string
  readonly subject: SpiffeId
  readonly expiresAt: Instant
  readonly expired: boolean
  /** With the one algorithm that a proof may be signed with. */
  readonly key: VerificationKey
  /** Serial of the certificate beside it, where the issuer says so. */
  readonly certificate: string | undefined
  // Makes the type nominal: an object of this shape is no proof.
  readonly #verified = true

  private constructor(text: string, token: VerifiedToken, now: Instant) {
    const { subject, expiresAt, key, algorithm } = readWitSvidClaims(token)
    this.text = text
    this.kid = token.kid
    this.subject = subject
    this.expiresAt = expiresAt
    this.expired = now >= expiresAt
    this.key = new VerificationKey(thumbprint(key), key, algorithm)
    this.certificate = new ClaimReader(token.claims).optionalString('certificate')
  }

  /**
   * WIT-SVID section 4: form, then the keys of the subject's own trust domain, then time. `iat` limits nothing (W-5).
   * @throws WIT_MALFORMED, WIT_TYPE_WRONG, WIT_CLAIM_INVALID, WIT_TRUST_DOMAIN_WRONG, WIT_KEY_UNKNOWN,
   *   WIT_SIGNATURE_INVALID, WIT_EXPIRED, WIT_NOT_YET_VALID
   */
  static verify(text: string, rules: WitSvidRules): WitSvid {
    return renamed(NAMES, () => {
      const unverified = parseCompact(text, 'wit-svid', MAX_PROOF_LENGTH)
      const { subject } = readWitSvidClaims(unverified)
      const keys = rules.keysOf(subject.trustDomain)
      if (keys === undefined) throw jwtError('WIT_TRUST_DOMAIN_WRONG')
      const token = VerifiedToken.verify(unverified, keys)
      checkTimes(new ClaimReader(token.claims), rules)
      return new WitSvid(text, token, rules.now)
    })
  }

  get verified(): boolean {
    return this.#verified
  }
}

function checkTimes(claims: ClaimReader, { now, skew = 0, grace = 0 }: WitSvidRules): void {
  if (now - grace >= claims.instant('exp')) throw jwtError('WIT_EXPIRED')
  const begin = claims.optionalInstant('nbf')
  if (begin !== undefined && begin > after(now, skew)) throw jwtError('WIT_NOT_YET_VALID')
}
