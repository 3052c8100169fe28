import { isTrusted } from '#authority/index.ts'
import { prepareStatusList } from '#issuance/index.ts'
import { StatusArray } from '#jwt/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { after, MINUTE, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import { revocationError } from '#revocation/index.ts'
import type { IssuePorts } from '../issuance-ports.ts'
import { issueJwt } from '../issue-token.ts'
import { parseListNumber, STATUS_LIST_SIZE, statusListUri } from './address.ts'
import { DeadTokens } from './dead-tokens.ts'

/** How long a receiver may keep a list, and how old a list that is asked for may be. */
export const STATUS_LIST_TTL: Milliseconds = 15 * SECOND
/** How long a list says anything, where no newer one can be had. */
export const STATUS_LIST_LIFETIME: Milliseconds = 3 * MINUTE
/** What is in memory is taken for the present for so long; a list is signed no more often. */
const FRESH: Milliseconds = SECOND / 2
/** Of lists that nobody has asked for in a while nothing is kept. */
const MOST_KEPT = 64

export interface PublishedStatusList {
  readonly token: string
  readonly issuedAt: Instant
  readonly expiresAt: Instant
  /** How long this answer may be kept, in seconds. */
  readonly maxAge: number
}

interface Signed extends Omit<PublishedStatusList, 'maxAge'> {
  /** Of the dead tokens in it. */
  readonly version: number
  /** Whose key has signed it. */
  readonly authority: string
}

/**
 * The status lists of this replica. Nothing is done for a list that nobody asks for. Whoever asks gets what was
 * committed anywhere half a second before, signed when something has changed or the last one is 15 seconds old; while the
 * store or the signer is away, the last one, until it runs out and never longer.
 */
export class StatusLists {
  readonly #ports: IssuePorts
  readonly #dead: DeadTokens
  readonly #signed = new Map<number, Signed>()
  readonly #signing = new Map<number, Promise<Signed>>()
  #refreshedAt: Milliseconds | null = null
  #refreshing: Promise<void> | null = null

  constructor(ports: IssuePorts) {
    this.#ports = ports
    this.#dead = new DeadTokens(ports)
  }

  /** @throws STATUS_LIST_UNKNOWN, and what store and signer throw once there is no list left that has not run out */
  async get(name: string): Promise<PublishedStatusList> {
    const list = parseListNumber(name)
    if (list === null) throw revocationError('STATUS_LIST_UNKNOWN')
    const kept = this.#signed.get(list)
    try {
      return this.#published(await this.#current(list))
    } catch (error) {
      if (isWritError(error, 'STATUS_LIST_UNKNOWN')) throw error
      // Fail static: a signed list is true to its end.
      if (kept === undefined || kept.expiresAt <= this.#ports.clock.now() || !this.#isBelieved(kept)) throw error
      return this.#published(kept)
    }
  }

  async #current(list: number): Promise<Signed> {
    // 1. What is dead, as of half a second ago at most.
    await this.#refresh()
    // 2. Nothing new, and not old: the same again.
    const kept = this.#signed.get(list)
    if (kept !== undefined && this.#isNew(kept) && kept.version === this.#dead.versionOf(list)) return kept
    // 3. A new one, for all who wait for it.
    const running = this.#signing.get(list)
    if (running !== undefined) return running
    const signing = this.#sign(list).finally(() => this.#signing.delete(list))
    this.#signing.set(list, signing)
    return signing
  }

  #isNew(kept: Signed): boolean {
    const age = this.#ports.clock.now() - kept.issuedAt
    return age >= 0 && age < STATUS_LIST_TTL && this.#isBelieved(kept)
  }

  /** Receivers that have fetched the keys since refuse what a tainted one has signed. */
  #isBelieved({ authority }: Signed): boolean {
    return isTrusted(this.#ports.authorities.current().find(authority)?.state ?? 'retired')
  }

  async #refresh(): Promise<void> {
    const { clock } = this.#ports
    const now = clock.monotonic()
    if (this.#refreshedAt !== null && now - this.#refreshedAt < FRESH) return
    this.#refreshing ??= this.#dead
      .refresh()
      .then(() => {
        this.#refreshedAt = now
      })
      .finally(() => {
        this.#refreshing = null
      })
    await this.#refreshing
  }

  async #sign(list: number): Promise<Signed> {
    const { clockGuard, authorities, profile } = this.#ports
    await this.#requireLiving(list)
    const version = this.#dead.versionOf(list)
    const issuedAt = await clockGuard.check()
    const expiresAt = after(issuedAt, STATUS_LIST_LIFETIME)
    const prepared = prepareStatusList(authorities.current().active('status'), {
      uri: statusListUri(profile.publicUrl, list),
      issuedAt,
      expiresAt,
      ttl: STATUS_LIST_TTL,
      statuses: StatusArray.ofInvalid(STATUS_LIST_SIZE, this.#dead.invalidIn(list)),
    })
    const leaf = { type: 'status-list.published', actor: 'system', inputDigest: null, policy: null }
    const token = await issueJwt(this.#ports, { prepared, commit: { guards: [], changes: [], leaf, events: [] } })
    const signed = { token, issuedAt, expiresAt, version, authority: prepared.authority }
    this.#keep(list, signed)
    return signed
  }

  /** A list of which no token lives is none: nobody can make us sign what nobody needs. */
  async #requireLiving(list: number): Promise<void> {
    const { reader, clock } = this.#ports
    const first = list * STATUS_LIST_SIZE
    // The rows of one list, of those that live: the index of expiries finds the latter.
    const [living] = await reader.list('TaskToken', {
      where: { expiresAt: { gt: clock.now() }, statusIndex: { gte: first } },
      orderBy: 'statusIndex',
      limit: 1,
    })
    if (living === undefined || living.statusIndex >= first + STATUS_LIST_SIZE) {
      throw revocationError('STATUS_LIST_UNKNOWN')
    }
  }

  #keep(list: number, signed: Signed): void {
    this.#signed.delete(list)
    this.#signed.set(list, signed)
    for (const oldest of this.#signed.keys()) if (this.#signed.size > MOST_KEPT) this.#signed.delete(oldest)
  }

  #published({ token, issuedAt, expiresAt }: Signed): PublishedStatusList {
    const age = Math.max(0, this.#ports.clock.now() - issuedAt)
    const maxAge = Math.max(1, Math.ceil((STATUS_LIST_TTL - age) / SECOND))
    return { token, issuedAt, expiresAt, maxAge }
  }
}
