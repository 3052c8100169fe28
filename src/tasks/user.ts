import type { IssuerKeys } from '#attestation/index.ts'
import { ClaimReader, IdToken, parseCompact, userSubject, type KeySet } from '#jwt/index.ts'
import { isWritError, type WritError } from '#kernel/errors.ts'
import { after, earliest, MINUTE, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { JsonValue } from '#kernel/json.ts'
import { tasksError, type TASKS_ERRORS } from './errors.ts'

/** An identity provider for whose users agents may work. */
export interface UserIssuer {
  /** Stands for it in subjects; it has no colon. */
  readonly name: string
  /** The exact `iss`. */
  readonly issuer: string
  /** Ours there: the `aud` of its ID tokens for us. */
  readonly clientId: string
  /** How long ago the user may have signed in. */
  readonly maxAge: Milliseconds
}

/** Whose users are known here. */
export interface Users {
  readonly issuers: readonly UserIssuer[]
  readonly keys: IssuerKeys
}

/** How far the clock of an identity provider may be from ours. */
const SKEW: Milliseconds = MINUTE

/**
 * Proof that an identity provider of ours has said, for us and not long ago, who a user is. Made by `ProvenUser.verify`
 * only. It has to be recorded as used in the commit that it is used in.
 */
export class ProvenUser {
  /** `user:<issuer name>:<sub>` */
  readonly subject: string
  /** SHA-256 of what the issuer has signed, hex. */
  readonly digest: string
  readonly expiresAt: Instant
  readonly mayAct: JsonValue | undefined
  readonly #token: IdToken

  private constructor(subject: string, token: IdToken) {
    this.subject = subject
    this.digest = token.fingerprint
    this.expiresAt = token.expiresAt
    this.mayAct = token.claims['may_act']
    this.#token = token
  }

  /**
   * OpenID Connect Core section 3.1.3.7: of a configured issuer, for us alone, not expired, and of a user who signed in
   * within its maximum age. Where the client sent a nonce to the issuer, the token must have that one.
   * @throws USER_TOKEN_*, and what the port of the issuer's keys throws when there are none
   */
  static async verify(
    users: Users,
    text: string,
    { now, nonce }: { readonly now: Instant; readonly nonce: string | null },
  ): Promise<ProvenUser> {
    const issuer = claiming(users.issuers, () => issuerNamedBy(text))
    const { name, clientId } = issuer
    const rules = { issuer: issuer.issuer, audience: clientId, audienceRule: 'sole', now, skew: SKEW } as const
    const verify = (keys: KeySet): IdToken => IdToken.verify(text, { ...rules, keys })
    const token = await users.keys.verifyWith(name, verify).catch(refuse)
    // A logout token is signed and addressed alike (OpenID Connect Back-Channel Logout section 2.4).
    if (Object.hasOwn(token.claims, 'events')) throw tasksError('USER_TOKEN_TYPE')
    if (nonce !== null && token.nonce !== nonce) throw tasksError('USER_TOKEN_NONCE')
    requireYoung(token, issuer.maxAge, now)
    return new ProvenUser(subjectOf(name, token.subject), token)
  }

  /** A cutoff of the user after this makes it worthless; the issuer's clock may have been ahead of ours. */
  get provenAt(): Instant {
    return after(this.#token.issuedAt, -SKEW)
  }

  /** Until when it is remembered that it was used. */
  get rememberUntil(): Instant {
    return after(this.expiresAt, 2 * SKEW)
  }
}

/** Nothing of it is believed yet; it says with whose keys it wants to be verified. */
function issuerNamedBy(text: string): string {
  const claims = new ClaimReader(parseCompact(text, 'id-token').claims)
  if (claims.optionalString('sub')?.toLowerCase().startsWith('spiffe:') === true) throw tasksError('USER_TOKEN_TYPE')
  return claims.string('iss')
}

function claiming(issuers: readonly UserIssuer[], named: () => string): UserIssuer {
  let iss: string
  try {
    iss = named()
  } catch (error) {
    return refuse(error)
  }
  const issuer = issuers.find((one) => one.issuer === iss)
  if (issuer === undefined) throw tasksError('USER_TOKEN_ISSUER_UNKNOWN')
  return issuer
}

/** From the sign-in where the issuer says when it was: a session may be much older than the token. */
function requireYoung(token: IdToken, maxAge: Milliseconds, now: Instant): void {
  const since = earliest(token.issuedAt, token.authenticatedAt ?? token.issuedAt)
  if (now - since > maxAge) throw tasksError('USER_TOKEN_TOO_OLD')
}

function subjectOf(issuerName: string, sub: string): string {
  try {
    return userSubject(issuerName, sub)
  } catch (error) {
    return refuse(error)
  }
}

const CODES: Readonly<Record<string, keyof typeof TASKS_ERRORS>> = {
  JWT_TYPE_WRONG: 'USER_TOKEN_TYPE',
  JWT_ALGORITHM_NOT_ALLOWED: 'USER_TOKEN_ALGORITHM',
  JWT_AUDIENCE_WRONG: 'USER_TOKEN_AUDIENCE',
  JWT_EXPIRED: 'USER_TOKEN_EXPIRED',
  JWT_SUBJECT_WRONG: 'USER_TOKEN_SUBJECT',
}

/** What the codec says, in the words of this room; anything else as it is. */
function refuse(error: unknown): never {
  if (!isWritError(error) || !error.code.startsWith('JWT_')) throw error
  throw tasksError(codeOf(error), { details: { problem: error.code }, cause: error })
}

function codeOf(error: WritError): keyof typeof TASKS_ERRORS {
  if (error.code.startsWith('JWT_CLAIM_') && error.details['claim'] === 'sub') return 'USER_TOKEN_SUBJECT'
  return CODES[error.code] ?? 'USER_TOKEN_INVALID'
}
