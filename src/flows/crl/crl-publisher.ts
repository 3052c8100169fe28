import { isOfflineRoot, type AuthorityRecord } from '#authority/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { MINUTE, SECOND, type Milliseconds } from '#kernel/instant.ts'
import { issuesCrls, type CrlEntryRecord } from '#revocation/index.ts'
import { openStatusSigner } from '../status-signer.ts'
import { AuthorityCrls } from './authority-crls.ts'
import type { CrlPorts } from './ports.ts'
import { forgetSpent } from './forget-spent.ts'

/** Lines that stories wrote themselves, here or on another replica, are found after this long at the latest. */
const LOOK_AROUND: Milliseconds = 3 * SECOND
/** An authority whose key cannot be reached is tried again after this. */
const RETRY: Milliseconds = 5 * SECOND
/** A root's may be away for long, and its CRLs change seldom. */
const RETRY_ROOT: Milliseconds = MINUTE
const CLEAN: Milliseconds = 10 * MINUTE
/** How many are signed at once. */
const AT_ONCE = 8

/**
 * Publishes the CRLs of every authority that has to (R11): what changed within seconds, everything at half of its time,
 * and all of a new authority's as soon as it is published itself, before anything is issued that names them. Run by
 * whoever holds the lease, over and over; one authority's trouble is not another's.
 */
export class CrlPublisher {
  readonly #ports: CrlPorts
  readonly #authorities = new Map<string, AuthorityCrls>()
  /** Lines that were stored since the last round. */
  #added: CrlEntryRecord[] = []
  readonly #retryAt = new Map<string, Milliseconds>()
  #lookAt: Milliseconds = 0
  #cleanAt: Milliseconds

  constructor(ports: CrlPorts) {
    this.#ports = ports
    this.#cleanAt = ports.clock.monotonic() + CLEAN
  }

  /** Somebody else publishes now: what is in memory is not gone by any more. */
  forget(): void {
    this.#authorities.clear()
    this.#added = []
    this.#retryAt.clear()
  }

  /** These lines are stored. */
  added(entries: readonly CrlEntryRecord[]): void {
    for (const entry of entries) this.#added.push(entry)
  }

  /** Answers how many CRLs it has published. @throws what the store throws while reading */
  async run(): Promise<number> {
    const { clock, authorities, crlObserver } = this.#ports
    // 1. The authorities that have anything to say, roots at hand among them; of others nothing is kept.
    const now = clock.now()
    const records = authorities.current().records.filter((one) => issuesCrls(one, now) && !isOfflineRoot(one))
    this.#keepOnly(records)
    // 2. What was added since the last time: told of, or found.
    for (const record of records) await this.#load(record)
    for (const entry of this.#added.splice(0)) this.#authorities.get(entry.authority)?.take(entry)
    await this.#lookAround()
    // 3. Sign what has changed or is due.
    let published = 0
    for (const crls of this.#authorities.values()) published += await this.#publishDue(crls)
    // 4. Whoever watches is told, and what has been listed for long enough is forgotten.
    crlObserver.onHealth([...this.#authorities.values()].map(({ health }) => health))
    if (clock.monotonic() >= this.#cleanAt) await this.#clean()
    return published
  }

  #keepOnly(records: readonly AuthorityRecord[]): void {
    const ids = new Set(records.map(({ id }) => id))
    for (const id of this.#authorities.keys()) if (!ids.has(id)) this.#authorities.delete(id)
  }

  async #load(record: AuthorityRecord): Promise<void> {
    if (this.#authorities.has(record.id)) return
    const crls = new AuthorityCrls(this.#ports, record)
    await crls.load()
    this.#authorities.set(record.id, crls)
  }

  async #lookAround(): Promise<void> {
    const monotonic = this.#ports.clock.monotonic()
    if (monotonic < this.#lookAt) return
    for (const crls of this.#authorities.values()) await crls.lookAround()
    this.#lookAt = monotonic + LOOK_AROUND
  }

  async #publishDue(crls: AuthorityCrls): Promise<number> {
    const { clock } = this.#ports
    if (clock.monotonic() < (this.#retryAt.get(crls.authority.id) ?? 0)) return 0
    const due = crls.due(clock.now(), clock.monotonic())
    return due.length === 0 ? 0 : this.#publish(crls, due)
  }

  async #publish(crls: AuthorityCrls, due: readonly string[]): Promise<number> {
    const { id } = crls.authority
    let published = 0
    try {
      const signer = await openStatusSigner(this.#ports, id)
      for (let at = 0; at < due.length; at += AT_ONCE) {
        const batch = due.slice(at, at + AT_ONCE)
        const outcomes = await Promise.allSettled(batch.map((scope) => crls.publish(scope, signer)))
        published += outcomes.filter(({ status }) => status === 'fulfilled').length
        const failed = outcomes.find((outcome) => outcome.status === 'rejected')
        if (failed !== undefined) throw failed.reason
      }
    } catch (error) {
      this.#onFailure(crls, error)
    }
    return published
  }

  #onFailure(crls: AuthorityCrls, error: unknown): void {
    const { clock, crlObserver } = this.#ports
    const { id, kind } = crls.authority
    if (isWritError(error, 'CRL_CHANGED')) {
      // Another replica is at it: begin with what it has published.
      this.#authorities.delete(id)
      return
    }
    this.#retryAt.set(id, clock.monotonic() + (kind === 'x509-root' ? RETRY_ROOT : RETRY))
    crlObserver.onFailure(id, error, crls.isOverdue(clock.now()))
  }

  async #clean(): Promise<void> {
    this.#cleanAt = this.#ports.clock.monotonic() + CLEAN
    for (const crls of this.#authorities.values()) {
      const { spent } = crls
      await forgetSpent(this.#ports, spent, `authority:${crls.authority.id}`)
      crls.drop(spent)
    }
  }
}
