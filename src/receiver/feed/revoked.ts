import { sha256Hex } from '#kernel/digest.ts'
import { HOUR, MINUTE, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { TaskTokenClaims } from '#jwt/index.ts'
import { receiverError } from '../errors.ts'
import type { CertificateFacts } from '../certificate-facts.ts'
import { namesOf } from '../spiffe-names.ts'
import type { FeedCutoff, FeedFrame } from './frames.ts'

/** Certificates live at most 24 hours and tokens 5 minutes; what is longer dead need not be remembered. */
const CERTIFICATE_MEMORY: Milliseconds = 25 * HOUR
const TOKEN_MEMORY: Milliseconds = 10 * MINUTE
const SWEEP_EVERY: Milliseconds = MINUTE
/** A hundred megabytes or so; a view that would need more is none. */
export const MOST_REVOKED = 1_000_000

/** Cutoffs of these reach tokens only. */
const OF_TOKENS: readonly FeedCutoff['kind'][] = ['actor', 'task', 'subject']

/** Why something is dead, for the log. */
export type RevokedBy = 'serial' | 'jti' | 'suspended' | FeedCutoff['kind']

interface Cut {
  readonly before: Instant
  /** On the monotonic clock. */
  readonly until: Milliseconds
}

/**
 * What the feed has said is dead, and for how long that matters. Nothing that was cut off is issued anew while its
 * cutoff lasts, so everything that a cutoff reaches has run out a lifetime after it was heard of.
 */
export class Revoked {
  readonly #most: number
  readonly #cutoffs = new Map<string, Cut>()
  readonly #certificates = new Map<string, Milliseconds>()
  readonly #tokens = new Map<string, Milliseconds>()
  readonly #suspended = new Set<string>()
  #swept: Milliseconds = 0

  constructor(most = MOST_REVOKED) {
    this.#most = most
  }

  /** `at` is a moment of the monotonic clock. @throws RECEIVER_FEED_TOO_LARGE */
  apply(frame: FeedFrame, at: Milliseconds): void {
    if (at - this.#swept >= SWEEP_EVERY) this.#sweep(at)
    if (frame.event === 'certificate') this.#certificates.set(frame.serial, at + CERTIFICATE_MEMORY)
    else if (frame.event === 'token') this.#tokens.set(frame.jti, at + TOKEN_MEMORY)
    else if (frame.event === 'cutoff') this.#cut(frame, at)
    else if (frame.event === 'agent') this.#hold(frame)
    if (this.size > this.#most) throw receiverError('RECEIVER_FEED_TOO_LARGE', { details: { limit: this.#most } })
  }

  /** How much is remembered. */
  get size(): number {
    return this.#cutoffs.size + this.#certificates.size + this.#tokens.size + this.#suspended.size
  }

  /** What takes this certificate back, or null. */
  certificate(facts: CertificateFacts): RevokedBy | null {
    if (facts.serials.some((serial) => this.#certificates.has(serial))) return 'serial'
    if (facts.agents.some((agent) => this.#suspended.has(agent))) return 'suspended'
    const { issuedAt } = facts
    if (this.#isCut('trust-domain', facts.trustDomain, issuedAt)) return 'trust-domain'
    if (this.#isCut('spki', facts.spki, issuedAt)) return 'spki'
    if (facts.agents.some((agent) => this.#isCut('agent', agent, issuedAt))) return 'agent'
    const isCutBelow = facts.authorities.some((one) => this.#isCut('authority', one.keyIdentifier, one.issuedAt))
    return isCutBelow ? 'authority' : null
  }

  /** What takes this token back, or null; everything by its `iat`, which is whole seconds, as cutoffs of tokens are. */
  token(claims: TaskTokenClaims, trustDomain: string): RevokedBy | null {
    if (this.#tokens.has(claims.id)) return 'jti'
    const { issuedAt } = claims
    if (this.#isCut('trust-domain', trustDomain, issuedAt)) return 'trust-domain'
    if (this.#isCut('task', claims.task.id, issuedAt)) return 'task'
    if (this.#isCut('subject', subjectDigest(claims), issuedAt)) return 'subject'
    const agents = actorsOf(claims).flatMap(namesOf)
    if (agents.some((agent) => this.#suspended.has(agent))) return 'suspended'
    if (agents.some((agent) => this.#isCut('actor', agent, issuedAt))) return 'actor'
    return agents.some((agent) => this.#isCut('agent', agent, issuedAt)) ? 'agent' : null
  }

  /** The same for the key that a token is bound to, where it is shown: hex SHA-256 of its SubjectPublicKeyInfo. */
  key(spki: string, issuedAt: Instant): RevokedBy | null {
    return this.#isCut('spki', spki, issuedAt) ? 'spki' : null
  }

  /** A cutoff only rises. */
  #cut({ kind, value, before }: FeedCutoff, at: Milliseconds): void {
    const key = keyOf(kind, value)
    const known = this.#cutoffs.get(key)
    const until = at + (OF_TOKENS.includes(kind) ? TOKEN_MEMORY : CERTIFICATE_MEMORY)
    this.#cutoffs.set(key, { before: known !== undefined && known.before > before ? known.before : before, until })
  }

  #hold({ spiffeId, isSuspended }: Extract<FeedFrame, { readonly event: 'agent' }>): void {
    if (isSuspended) this.#suspended.add(spiffeId)
    else this.#suspended.delete(spiffeId)
  }

  #isCut(kind: FeedCutoff['kind'], value: string, issuedAt: Instant): boolean {
    const cut = this.#cutoffs.get(keyOf(kind, value))
    return cut !== undefined && issuedAt < cut.before
  }

  #sweep(at: Milliseconds): void {
    this.#swept = at
    for (const [key, { until }] of this.#cutoffs) if (until < at) this.#cutoffs.delete(key)
    for (const known of [this.#certificates, this.#tokens]) {
      for (const [key, until] of known) if (until < at) known.delete(key)
    }
  }
}

function keyOf(kind: FeedCutoff['kind'], value: string): string {
  return `${kind} ${value}`
}

/** Everyone who has had a hand in it. */
function actorsOf({ subject, client, actors }: TaskTokenClaims): readonly string[] {
  const agents = [client, ...actors].map((actor) => actor.toString())
  return [...new Set(subject.startsWith('spiffe://') ? [subject, ...agents] : agents)]
}

function subjectDigest({ issuer, subject }: TaskTokenClaims): string {
  return sha256Hex(`${issuer}\n${subject}`)
}
