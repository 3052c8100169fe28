import { JwtSvid, parseCompact, TaskToken, type KeySet, type UnverifiedToken } from '#jwt/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { MINUTE, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { JsonValue } from '#kernel/json.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import { ProvenUser, type Users } from '#tasks/index.ts'
import { ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE } from '#wire/index.ts'
import type { CheckedRequest } from './exchange-request.ts'
import { oauthError } from './oauth-errors.ts'

/** How old the JWT-SVID may be that a chain starts with. */
const MAX_SUBJECT_AGE: Milliseconds = 5 * MINUTE
/** Replicas of ours may differ by this much, and nobody else issues these tokens. */
const SKEW: Milliseconds = 2 * SECOND

export interface SubjectPorts extends VerifyPorts {
  readonly users: Users
}

export interface VerifyPorts {
  readonly authorities: { current(): { keySet(kind: 'access-token' | 'jwt-svid'): KeySet } }
  readonly profile: { readonly publicUrl: string; readonly trustDomain: TrustDomain }
}

/** The agent's own JWT-SVID, addressed to us and nobody else. */
export interface AgentProof {
  readonly kind: 'start'
  readonly by: 'agent'
  readonly jti: string
  readonly issuedAt: Instant
  readonly expiresAt: Instant
}

/** The ID token of a user. That the task is for them is still to be seen. */
export interface UserStart {
  readonly kind: 'start'
  readonly by: 'user'
  readonly user: ProvenUser
}

export type StartProof = AgentProof | UserStart

/** A task token. That it is the client's own, and that it lives, is still to be seen. */
export interface NarrowProof {
  readonly kind: 'narrow'
  readonly token: TaskToken
}

/**
 * What the subject token is decides what is asked for, never which parameters came with it. Each kind is refused in
 * the slot of every other.
 * @throws SUBJECT_TOKEN_TYPE_UNSUPPORTED, SUBJECT_TOKEN_INVALID, SUBJECT_TOKEN_TOO_OLD, SUBJECT_TOKEN_NOT_YOURS,
 *   MAY_ACT_REFUSED, USER_TOKEN_*, and what the port of the issuers' keys throws
 */
export async function verifySubjectToken(
  ports: SubjectPorts,
  request: CheckedRequest,
  client: string,
  now: Instant,
): Promise<StartProof | NarrowProof> {
  const { subjectToken } = request
  try {
    const { subjectTokenType } = request
    const taskToken = readTaskToken(subjectToken)
    if ((taskToken !== null) !== (subjectTokenType === ACCESS_TOKEN_TYPE)) {
      throw oauthError('SUBJECT_TOKEN_TYPE_UNSUPPORTED')
    }
    if (taskToken !== null) return { kind: 'narrow', token: verifyTaskToken(ports, taskToken, now) }
    if (subjectTokenType === ID_TOKEN_TYPE) return await userProof(ports, subjectToken, client, now)
    return startProof(ports, subjectToken, client, now)
  } catch (cause) {
    // JWT-SVIDs and ID tokens share a `typ`; whom they are about tells them apart.
    if (isWritError(cause, 'JWT_SUBJECT_WRONG', 'USER_TOKEN_TYPE')) {
      throw oauthError('SUBJECT_TOKEN_TYPE_UNSUPPORTED', { cause })
    }
    if (!isWritError(cause) || !cause.code.startsWith('JWT_')) throw cause
    throw oauthError('SUBJECT_TOKEN_INVALID', { details: { problem: cause.code }, cause })
  }
}

/** A task token of ours by signature, type, issuer and time, whomever it is for. @throws JWT_* */
export function verifyTaskToken(ports: VerifyPorts, token: string | UnverifiedToken, now: Instant): TaskToken {
  const { authorities, profile } = ports
  const keys = authorities.current().keySet('access-token')
  return TaskToken.verify(token, { keys, issuer: profile.publicUrl, audience: null, now, skew: SKEW })
}

async function userProof(ports: SubjectPorts, text: string, client: string, now: Instant): Promise<UserStart> {
  const user = await ProvenUser.verify(ports.users, text, { now, nonce: null })
  requireMayAct(user.mayAct, client)
  return { kind: 'start', by: 'user', user }
}

/** Null when the token's type says that it is of another kind. @throws JWT_* */
function readTaskToken(text: string): UnverifiedToken | null {
  try {
    return parseCompact(text, 'task-token')
  } catch (error) {
    if (isWritError(error, 'JWT_TYPE_WRONG')) return null
    throw error
  }
}

function startProof(ports: VerifyPorts, text: string, client: string, now: Instant): AgentProof {
  const { authorities, profile } = ports
  const keys = authorities.current().keySet('jwt-svid')
  const svid = JwtSvid.verify(text, {
    now,
    skew: SKEW,
    keysOf: (trustDomain) => (trustDomain.equals(profile.trustDomain) ? keys : undefined),
    audience: profile.publicUrl,
    audienceRule: 'sole',
    issuer: `${profile.publicUrl}/spiffe`,
  })
  const { id, issuedAt, expiresAt } = svid
  if (id === undefined || issuedAt === undefined) throw oauthError('SUBJECT_TOKEN_INVALID')
  if (svid.subject.toString() !== client) throw oauthError('SUBJECT_TOKEN_NOT_YOURS')
  requireMayAct(svid.claims['may_act'], client)
  if (now >= expiresAt || now - issuedAt > MAX_SUBJECT_AGE) throw oauthError('SUBJECT_TOKEN_TOO_OLD')
  return { kind: 'start', by: 'agent', jti: id, issuedAt, expiresAt }
}

/**
 * TE-10: enforced wherever it stands, whichever parameters were sent. A task token with one is refused as malformed,
 * since none of ours has it.
 */
export function requireMayAct(mayAct: JsonValue | undefined, client: string): void {
  if (mayAct === undefined) return
  const isObject = typeof mayAct === 'object' && mayAct !== null && !Array.isArray(mayAct)
  const entries = isObject ? Object.entries(mayAct) : []
  const isClient = entries.length === 1 && entries.every(([name, value]) => name === 'sub' && value === client)
  if (!isClient) throw oauthError('MAY_ACT_REFUSED')
}
