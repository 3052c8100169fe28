import type { KeySet, TaskToken } from '#jwt/index.ts'
import type { WritError } from '#kernel/errors.ts'
import { isWritError } from '#kernel/errors.ts'
import { SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { CertificateFacts } from './certificate-facts.ts'
import { receiverError } from './errors.ts'
import type { LiveView } from './feed/live-view.ts'
import type { Revoked, RevokedBy } from './feed/revoked.ts'
import type { Introspect } from './introspection.ts'
import { DEFAULT_MAX_STALENESS } from './refreshing-trust.ts'
import type { StatusLists } from './status-lists.ts'

/**
 * How a receiver knows what was taken back, in the order in which it asks: the feed while its view is young enough; else
 * the token's status list; else the issuer itself. When none of those that are given can say, the request is denied.
 */
export interface RevocationOptions {
  readonly feed?: LiveView
  /** Used only where there is no feed, or its view is too old. */
  readonly statusList?: StatusLists
  readonly introspect?: Introspect
  /** How old a view, or a status list, may be: five minutes unless given; a route may ask for less. */
  readonly maxAge?: Milliseconds
}

const LEAST_AGE: Milliseconds = SECOND

/** What a receiver goes by. */
export class Revocation {
  readonly #options: RevocationOptions
  readonly #maxAge: Milliseconds

  /** @throws RECEIVER_OPTIONS_INVALID */
  constructor(options: RevocationOptions) {
    const { maxAge = DEFAULT_MAX_STALENESS } = options
    requireAge(maxAge, 'maxAge')
    if (options.feed === undefined && !hasFallback(options)) {
      throw receiverError('RECEIVER_OPTIONS_INVALID', { details: { option: 'revocation' } })
    }
    this.#options = options
    this.#maxAge = maxAge
  }

  /** What is known now, for one request; `maxViewAge` can only lower the limit. */
  now(maxViewAge: Milliseconds | undefined): Standing {
    const maxAge = Math.min(this.#maxAge, maxViewAge ?? this.#maxAge)
    return new Standing(this.#options, maxAge)
  }

  /** Dead is dead, however old what the feed has said is. @throws RECEIVER_CERTIFICATE_REVOKED */
  checkKnown(facts: CertificateFacts): void {
    const by = this.#options.feed?.known?.certificate(facts) ?? null
    if (by !== null) throw receiverError('RECEIVER_CERTIFICATE_REVOKED', { details: { by } })
  }
}

/** What is known at one moment. */
export class Standing {
  readonly #options: RevocationOptions
  readonly #maxAge: Milliseconds
  /** What the feed has said last, however old. */
  readonly #revoked: Revoked | null
  /** Why the view does not count; null when it does. */
  readonly #fault: WritError | null

  constructor(options: RevocationOptions, maxAge: Milliseconds) {
    this.#options = options
    this.#maxAge = maxAge
    this.#revoked = options.feed?.known ?? null
    this.#fault = faultOf(options.feed, maxAge)
    if (this.#fault !== null && !hasFallback(options)) throw this.#fault
  }

  /** Where nothing but the feed can answer. @throws RECEIVER_VIEW_MISSING, RECEIVER_VIEW_STALE */
  requireView(): void {
    if (this.#options.feed !== undefined && this.#fault !== null) throw this.#fault
  }

  /** What was dead in an old view is dead, too. @throws RECEIVER_CERTIFICATE_REVOKED */
  checkCertificate(facts: CertificateFacts): void {
    const by = this.#revoked?.certificate(facts) ?? null
    if (by !== null) throw receiverError('RECEIVER_CERTIFICATE_REVOKED', { details: { by } })
  }

  /** The key of a proof, in hex SHA-256. @throws RECEIVER_TOKEN_INACTIVE */
  checkKey(spki: string, issuedAt: Instant): void {
    refuse(this.#revoked?.key(spki, issuedAt) ?? null)
  }

  /** @throws RECEIVER_TOKEN_INACTIVE, RECEIVER_STATUS_UNKNOWN, RECEIVER_INTROSPECTION_FAILED */
  async checkToken(text: string, token: TaskToken, { keys, trustDomain }: IssuerFacts): Promise<void> {
    refuse(this.#revoked?.token(token.claims, trustDomain) ?? null)
    if (this.#fault === null && this.#options.feed !== undefined) return
    if (await this.#isGoodByList(token, keys)) return
    const { introspect } = this.#options
    if (introspect === undefined) throw receiverError('RECEIVER_STATUS_UNKNOWN')
    await checkActive(introspect, text)
  }

  /** False when the list cannot say. @throws RECEIVER_TOKEN_INACTIVE */
  async #isGoodByList({ claims }: TaskToken, keys: KeySet): Promise<boolean> {
    const { statusList, introspect } = this.#options
    if (statusList === undefined || claims.status === undefined) return false
    const { index, uri } = claims.status
    let status: number
    try {
      status = await statusList.statusOf({ index, uri, keys, maxAge: this.#maxAge })
    } catch (cause) {
      if (introspect !== undefined) return false
      throw receiverError('RECEIVER_STATUS_UNKNOWN', {
        details: { reason: isWritError(cause) ? cause.code : 'FETCH_FAILED' },
        cause,
      })
    }
    // Anything but valid denies.
    if (status !== 0) throw receiverError('RECEIVER_TOKEN_INACTIVE', { details: { by: 'status-list' } })
    return true
  }
}

/** Of the one whose tokens they are. */
export interface IssuerFacts {
  readonly keys: KeySet
  readonly trustDomain: string
}

/** @throws RECEIVER_TOKEN_INACTIVE, RECEIVER_INTROSPECTION_FAILED */
export async function checkActive(introspect: Introspect, text: string): Promise<void> {
  let active: unknown
  try {
    active = (await introspect(text)).active
  } catch (cause) {
    throw receiverError('RECEIVER_INTROSPECTION_FAILED', { cause })
  }
  // Anything but the one right answer denies.
  if (active !== true) throw receiverError('RECEIVER_TOKEN_INACTIVE')
}

/** @throws RECEIVER_OPTIONS_INVALID */
export function requireAge(age: Milliseconds, option: string): void {
  if (!(age >= LEAST_AGE && Number.isFinite(age))) {
    throw receiverError('RECEIVER_OPTIONS_INVALID', { details: { option } })
  }
}

function hasFallback({ statusList, introspect }: RevocationOptions): boolean {
  return statusList !== undefined || introspect !== undefined
}

function faultOf(feed: LiveView | undefined, maxAge: Milliseconds): WritError | null {
  try {
    feed?.current(maxAge)
    return null
  } catch (error) {
    if (isWritError(error, 'RECEIVER_VIEW_MISSING', 'RECEIVER_VIEW_STALE')) return error
    throw error
  }
}

function refuse(by: RevokedBy | null): void {
  if (by !== null) throw receiverError('RECEIVER_TOKEN_INACTIVE', { details: { by } })
}
