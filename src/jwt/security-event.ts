import { toNumericDate, type Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { checkAudience, checkIssuer, ClaimReader, invalid } from './claims.ts'
import { parseCompact } from './compact.ts'
import { isObject } from './json-shape.ts'
import type { KeySet } from './key-set.ts'
import { VerifiedToken } from './verify.ts'

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type'
const SSF = 'https://schemas.openid.net/secevent/ssf/event-type'

/** The events that we send (CAEP 1.0 section 3, SSF 1.0 sections 8.1.4.1 and 8.1.5). */
export const SECURITY_EVENTS = {
  sessionRevoked: `${CAEP}/session-revoked`,
  credentialChange: `${CAEP}/credential-change`,
  verification: `${SSF}/verification`,
  streamUpdated: `${SSF}/stream-updated`,
  /** Ours (after draft mission signals): a task has another state, with the count of its changes. */
  taskState: 'urn:writ:event:task-state',
} as const

export type SecurityEventType = (typeof SECURITY_EVENTS)[keyof typeof SECURITY_EVENTS]

/**
 * Whom an event is about (RFC 9493 section 3.2, SSF 1.0 section 3): one token, an agent or one of its instances, or
 * the stream or a task. Never a user: whoever was given a token knows of whom it was.
 */
export type SecuritySubject =
  | { readonly format: 'jwt_id'; readonly iss: string; readonly jti: string }
  | { readonly format: 'iss_sub'; readonly iss: string; readonly sub: string }
  | { readonly format: 'opaque'; readonly id: string }

export interface SecurityEventFields {
  readonly issuer: string
  readonly audience: string
  /** `jti` */
  readonly id: string
  readonly issuedAt: Instant
  /** `txn`: the same for everything that one change of ours has caused. */
  readonly transaction?: string | undefined
  readonly subject: SecuritySubject
  readonly type: SecurityEventType
  readonly event: JsonObject
}

/** The claims of a SET (RFC 8417 section 2.2, SSF 1.0 section 4.1): one event, `sub_id`, and neither `sub` nor `exp`. */
export function securityEventClaims(fields: SecurityEventFields): JsonObject {
  return {
    iss: fields.issuer,
    aud: fields.audience,
    iat: toNumericDate(fields.issuedAt),
    jti: fields.id,
    ...(fields.transaction === undefined ? {} : { txn: fields.transaction }),
    sub_id: { ...fields.subject },
    events: { [fields.type]: fields.event },
  }
}

export interface SecurityEventRules {
  readonly keys: KeySet
  readonly issuer: string
  readonly audience: string
}

export interface SecurityEvent {
  readonly id: string
  readonly issuedAt: Instant
  readonly subject: JsonObject
  readonly type: string
  readonly event: JsonObject
}

/**
 * Verifies a SET as its receiver does. It has no end: whether it came before says its `jti`.
 * @throws the codes of parseCompact and VerifiedToken.verify, JWT_ISSUER_WRONG, JWT_AUDIENCE_WRONG, JWT_CLAIM_MISSING,
 *   JWT_CLAIM_INVALID unless there is exactly one event, JWT_CLAIM_NOT_ALLOWED for `sub` and `exp`
 */
export function readSecurityEvent(text: string, { keys, issuer, audience }: SecurityEventRules): SecurityEvent {
  const token = VerifiedToken.verify(parseCompact(text, 'security-event'), keys)
  const claims = new ClaimReader(token.claims)
  checkIssuer(claims, issuer)
  checkAudience(claims, audience, 'among')
  claims.only(['iss', 'aud', 'iat', 'jti', 'txn', 'toe', 'sub_id', 'events'])
  const [subject, events] = [claims.value('sub_id'), claims.value('events')]
  if (!isObject(subject)) throw invalid('sub_id')
  const [entry, ...others] = isObject(events) ? Object.entries(events) : []
  if (entry === undefined || others.length > 0 || !isObject(entry[1])) throw invalid('events')
  return { id: claims.string('jti'), issuedAt: claims.instant('iat'), subject, type: entry[0], event: entry[1] }
}
