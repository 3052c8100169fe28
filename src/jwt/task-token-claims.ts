import type { KeyClass, KeyClassSource } from '#kernel/algorithms.ts'
import { isWritError } from '#kernel/errors.ts'
import { MINUTE, type Instant } from '#kernel/instant.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { invalid } from './claims.ts'
import { jwtError } from './errors.ts'
import type { TaskAuthorization } from './task-authority.ts'
import { isUserSubject } from './user-subject.ts'

/** The most that a task token lives, and the most actors that its chain names. */
export const MAX_TASK_TOKEN_LIFETIME = 5 * MINUTE
export const MAX_ACTORS = 8

/** Exactly one: the thumbprint of the certificate (RFC 8705 section 3.1) or of the DPoP key (RFC 9449 section 6.1). */
export type Confirmation =
  { readonly method: 'x5t#S256'; readonly thumbprint: string } | { readonly method: 'jkt'; readonly thumbprint: string }

/** The claims of a task token (DESIGN.md section 4). The comments name the claim where ours is not the standard's word. */
export interface TaskTokenClaims {
  readonly issuer: string
  /** A SPIFFE ID, or `user:<issuer name>:<sub>`. */
  readonly subject: string
  /** Exactly one. */
  readonly audience: string
  /** `client_id`: who asked for the token. */
  readonly client: SpiffeId
  readonly issuedAt: Instant
  readonly notBefore: Instant
  readonly expiresAt: Instant
  /** `jti` */
  readonly id: string
  /** `txn` */
  readonly transaction: string
  /** A projection of the authority for coarse receivers, never broader. */
  readonly scope: readonly string[]
  /** `authorization_details` */
  readonly authority: readonly TaskAuthorization[]
  /** `act`, the current actor first; empty when the agent works for itself. Only the first counts (RFC 8693 4.1). */
  readonly actors: readonly SpiffeId[]
  /** `cnf` */
  readonly confirmation: Confirmation
  readonly task: { readonly id: string; readonly deadline: Instant }
  readonly attestation: {
    /** Of the key in `confirmation`. */
    readonly keyClass: KeyClass
    /** `key_class_source`; absent where nothing is known of that key. */
    readonly keyClassSource?: KeyClassSource
    readonly attestor: string
    readonly at: Instant
    /** `sha-256:<hex>` of salt and evidence, as in the certificate. The salt stays with the issuer. */
    readonly evidence: string
  }
  readonly policy?: string
  /** `status.status_list` */
  readonly status?: { readonly index: number; readonly uri: string }
  readonly approvals?: readonly string[]
}

/**
 * What must hold between the claims, whoever wrote them: a life of at most five minutes that ends by the deadline; a
 * user never without an actor; an agent without actor is itself the client; authority for the one audience only.
 * @throws JWT_CLAIM_INVALID, JWT_SUBJECT_WRONG
 */
export function checkTaskTokenClaims(claims: TaskTokenClaims): void {
  const { issuedAt, notBefore, expiresAt } = claims
  if (expiresAt <= issuedAt || expiresAt <= notBefore) throw invalid('exp')
  if (expiresAt - issuedAt > MAX_TASK_TOKEN_LIFETIME || expiresAt > claims.task.deadline) throw invalid('exp')
  if (claims.actors.length > MAX_ACTORS) throw invalid('act')
  if (claims.authority.some((entry) => entry.resource !== claims.audience)) throw invalid('authorization_details')
  checkSubject(claims)
}

function checkSubject(claims: TaskTokenClaims): void {
  const agent = agentOf(claims.subject)
  if (agent === undefined && !isUserSubject(claims.subject)) throw jwtError('JWT_SUBJECT_WRONG')
  if (claims.actors.length > 0) return
  if (agent === undefined) throw invalid('act')
  if (!agent.equals(claims.client)) throw invalid('client_id')
}

function agentOf(subject: string): SpiffeId | undefined {
  try {
    return subject.startsWith('spiffe:') ? SpiffeId.parse(subject) : undefined
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw jwtError('JWT_SUBJECT_WRONG', { cause })
  }
}
