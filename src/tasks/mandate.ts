import { after, earliest, MINUTE, SECOND, wholeSecond, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { KeyClass, KeyClassSource } from '#kernel/algorithms.ts'
import type { Confirmation } from '#jwt/index.ts'
import type { AgentRecord, InstanceRecord } from '#registry/index.ts'
import { tasksError } from './errors.ts'
import { covers, isNarrower } from './narrower.ts'
import type { AuthorizationDetail, TaskRecord, TaskTokenRecord } from './records.ts'
import { grantedOf, type Asked } from './request.ts'
import { scopeOf } from './scope.ts'
import { requireActive } from './states.ts'

/** No task token lives longer, whatever a registration says. */
export const MAX_TOKEN_LIFETIME: Milliseconds = 5 * MINUTE
/** Of the authority in one token; a larger one would not fit into the header of a request. */
const MAX_AUTHORITY_CHARACTERS = 3_000

/** Who asks, as authenticated on this connection. */
export interface Bearer {
  readonly agent: AgentRecord
  readonly instance: InstanceRecord
  readonly spiffeId: string
  /** What the token is bound to: the certificate of the caller, or the key of its DPoP proof. */
  readonly confirmation: Confirmation
  /** Of the key that the token is bound to; without a source where nothing vouches for that key. */
  readonly key: { readonly class: KeyClass; readonly source?: KeyClassSource }
  readonly certificate: { readonly serial: string; readonly notAfter: Instant }
}

/** A verified, living task token that another is derived from. */
export interface Parent {
  readonly record: TaskTokenRecord
  readonly authority: readonly AuthorizationDetail[]
  /** `act` of the parent, the current actor first: never dropped (TE-11). */
  readonly actors: readonly string[]
}

interface Terms {
  readonly audience: string
  readonly authority: readonly AuthorizationDetail[]
  readonly actors: readonly string[]
  readonly parent: string | null
  readonly ancestors: readonly string[]
  readonly issuedAt: Instant
  readonly expiresAt: Instant
}

/**
 * Proof that a token may be asked for under a task: who acts for whom, to do what, where, until when. Made by
 * `Mandate.start` and `Mandate.narrow` only.
 * INVARIANT: within the task, and within the parent token on every dimension (promise 4).
 */
export class Mandate {
  readonly #bearer: Bearer
  readonly task: string
  readonly transaction: string
  readonly deadline: Instant
  readonly maxDerivations: number
  readonly subject: string
  readonly audience: string
  readonly authority: readonly AuthorizationDetail[]
  readonly scope: string
  /** `act`, null while the subject acts itself. */
  readonly actors: readonly string[]
  readonly parent: string | null
  /** Every token above, nearest last. */
  readonly ancestors: readonly string[]
  readonly issuedAt: Instant
  readonly expiresAt: Instant

  private constructor(task: TaskRecord, bearer: Bearer, terms: Terms) {
    this.#bearer = bearer
    this.task = task.id
    this.transaction = task.transaction
    this.deadline = task.deadline
    this.maxDerivations = task.maxDerivations
    this.subject = task.subject
    this.audience = terms.audience
    this.authority = terms.authority
    this.scope = scopeOf(terms.authority)
    this.actors = terms.actors
    this.parent = terms.parent
    this.ancestors = terms.ancestors
    this.issuedAt = terms.issuedAt
    this.expiresAt = terms.expiresAt
  }

  /**
   * The first token of a chain. The caller has proved with its JWT-SVID that it is the bearer.
   * @throws TASK_*, TARGET_NOT_GRANTED, AUTHORIZATION_DETAILS_WIDENED, SCOPE_WIDENED, INVALID_SCOPE, TOKEN_*
   */
  static start(task: TaskRecord, bearer: Bearer, asked: Asked, now: Instant): Mandate {
    requireBearer(task, bearer)
    requireActive(task, now)
    return new Mandate(task, bearer, {
      audience: asked.audience,
      issuedAt: now,
      authority: bounded(grantedOf(asked, task.authority)),
      actors: task.subject === bearer.spiffeId ? [] : [bearer.spiffeId],
      parent: null,
      ancestors: [],
      expiresAt: expiryOf(task, bearer, now),
    })
  }

  /**
   * A token below one that the bearer holds: same actor, same audience, nothing more than the parent has.
   * @throws as start, and TARGET_CHANGED, DEPTH_EXCEEDED
   */
  static narrow(task: TaskRecord, bearer: Bearer, parent: Parent, order: { asked: Asked; now: Instant }): Mandate {
    const { asked, now } = order
    requireBearer(task, bearer)
    requireActive(task, now)
    if (asked.audience !== parent.record.audience) throw tasksError('TARGET_CHANGED')
    const ancestors = [...parent.record.ancestors, parent.record.jti]
    if (ancestors.length > task.maxDepth) throw tasksError('DEPTH_EXCEEDED')
    const mandate = new Mandate(task, bearer, {
      audience: asked.audience,
      issuedAt: now,
      authority: bounded(grantedOf(asked, parent.authority)),
      actors: parent.actors,
      parent: parent.record.jti,
      ancestors,
      expiresAt: expiryOf(task, bearer, now, parent.record.expiresAt),
    })
    requireWithin(mandate, parent, task)
    return mandate
  }

  /** How many tokens are above this one. */
  get depth(): number {
    return this.ancestors.length
  }

  get actor(): string {
    return this.#bearer.spiffeId
  }

  get bearer(): Bearer {
    return this.#bearer
  }

  /** How the token is bound, as its record keeps it. */
  get confirmation(): string {
    const { method, thumbprint } = this.#bearer.confirmation
    return `${method}:${thumbprint}`
  }
}

/**
 * A task is used by the instance that it is of, or by any of the agent where it is of none. Copies that share one
 * SPIFFE ID are one to whoever opened a task as that ID. A task of an agent for itself is used as its very subject.
 */
function requireBearer(task: TaskRecord, bearer: Bearer): void {
  const { agent, instance, spiffeId } = bearer
  const isOwn = task.agent === agent.id
  const isItsInstance = task.instance === null || task.instance === instance.id || task.createdBy === spiffeId
  const isSelf = !task.subject.startsWith('spiffe:') || task.subject === spiffeId
  if (!isOwn || !isItsInstance || !isSelf) throw tasksError('TASK_NOT_FOUND')
}

function expiryOf(task: TaskRecord, bearer: Bearer, now: Instant, ...parents: readonly Instant[]): Instant {
  const { agent, instance, certificate } = bearer
  const lifetime = Math.min(agent.tokenLifetime, MAX_TOKEN_LIFETIME)
  const attestation = after(instance.attestedAt, agent.maxAttestationAge)
  const bounds = [certificate.notAfter, task.deadline, attestation, ...parents]
  const expiresAt = wholeSecond(earliest(after(now, lifetime), ...bounds))
  // A token counts from its whole second on, and must outlive the answer by something.
  if (expiresAt < now + SECOND) throw tasksError('TOKEN_LIFETIME_EXHAUSTED')
  return expiresAt
}

function bounded(authority: readonly AuthorizationDetail[]): readonly AuthorizationDetail[] {
  if (JSON.stringify(authority).length > MAX_AUTHORITY_CHARACTERS) throw tasksError('TOKEN_TOO_LARGE')
  return authority
}

/** Asserts what the steps above have made true already; a mistake in one of them must not become a wider token. */
function requireWithin(mandate: Mandate, parent: Parent, task: TaskRecord): void {
  const { audience, authority, expiresAt } = mandate
  const child = { audience, authority, expiresAt, remainingDepth: task.maxDepth - mandate.depth }
  const reach = {
    audience: parent.record.audience,
    authority: parent.authority,
    remainingDepth: task.maxDepth - parent.record.ancestors.length,
    expiresAt: parent.record.expiresAt,
  }
  if (!isNarrower(child, reach) || !covers(task.authority, mandate.authority)) {
    throw tasksError('AUTHORIZATION_DETAILS_WIDENED')
  }
}
