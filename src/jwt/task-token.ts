import { sha256 } from '#kernel/digest.ts'
import { toBase64Url, type Bytes } from '#kernel/bytes.ts'
import { checkAudience, checkIssuer, checkTimes, ClaimReader, type Moment } from './claims.ts'
import { parseCompact, type UnverifiedToken } from './compact.ts'
import { jwtError } from './errors.ts'
import type { KeySet } from './key-set.ts'
import { readTaskTokenClaims } from './read-task-token.ts'
import type { TaskTokenClaims } from './task-token-claims.ts'
import { VerifiedToken } from './verify.ts'

/** Over this, a token asks too much of HTTP headers. */
export const MAX_TASK_TOKEN_LENGTH = 8 * 1024

export interface TaskTokenRules extends Moment {
  readonly keys: KeySet
  readonly issuer: string
  /** The receiver's own name; null where the issuer itself reads a token, whomever it is for. */
  readonly audience: string | null
}

/**
 * A task token that was verified, and read. That it is bound to a key says `claims.confirmation`; that its presenter
 * holds the key is not proved yet, nor that it was not taken back.
 */
export class TaskToken {
  readonly claims: TaskTokenClaims
  readonly kid: string
  // Makes the type nominal: an object of this shape is no proof.
  readonly #verified = true

  private constructor(token: VerifiedToken, claims: TaskTokenClaims) {
    this.claims = claims
    this.kid = token.kid
  }

  /**
   * RFC 9068 section 4: type, issuer, audience, signature, time, in an order that spends no cryptography on a token
   * of the wrong kind.
   * @throws the codes of parseCompact and VerifiedToken.verify, JWT_ISSUER_WRONG, JWT_AUDIENCE_WRONG, JWT_EXPIRED,
   *   JWT_NOT_YET_VALID, JWT_CLAIM_*, JWT_SUBJECT_WRONG
   */
  static verify(given: string | UnverifiedToken, rules: TaskTokenRules): TaskToken {
    const token = VerifiedToken.verify(formOf(given), rules.keys)
    const reader = new ClaimReader(token.claims)
    checkIssuer(reader, rules.issuer)
    checkTimes(reader, rules)
    if (rules.audience !== null) checkAudience(reader, rules.audience, 'sole')
    return new TaskToken(token, readTaskTokenClaims(token.claims))
  }

  /** Who does the work: the outermost actor, or the subject where there is none (RFC 8693 section 4.1). */
  get actor(): string {
    return this.claims.actors[0]?.toString() ?? this.claims.subject
  }

  get verified(): boolean {
    return this.#verified
  }
}

/** What was parsed already is held to the same. */
function formOf(given: string | UnverifiedToken): UnverifiedToken {
  if (typeof given === 'string') return parseCompact(given, 'task-token', MAX_TASK_TOKEN_LENGTH)
  if (given.kind !== 'task-token') throw jwtError('JWT_TYPE_WRONG')
  const { length } = given
  if (length <= MAX_TASK_TOKEN_LENGTH) return given
  throw jwtError('JWT_TOO_LARGE', { details: { length, limit: MAX_TASK_TOKEN_LENGTH } })
}

/** `x5t#S256` of a certificate: base64url of SHA-256 over its DER (RFC 8705 section 3.1). */
export function certificateThumbprint(certificate: Bytes): string {
  return toBase64Url(sha256(certificate))
}
