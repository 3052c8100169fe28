import { MAX_SKEW, readStatusList, type KeySet, type StatusList } from '#jwt/index.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import { momentOf, type ReceiverClock } from './clock.ts'
import { receiverError } from './errors.ts'

export interface StatusListsOptions {
  /** Fetches a Status List Token, within a time limit. `uri` is what a verified token of the issuer names. */
  readonly fetchStatusList: (uri: string) => Promise<string>
  readonly clock: ReceiverClock
}

export interface StatusQuestion {
  readonly index: number
  readonly uri: string
  readonly keys: KeySet
  /** How old an answer may be. */
  readonly maxAge: Milliseconds
}

interface Fetching {
  readonly text: Promise<string>
  /** On the monotonic clock. */
  readonly since: Milliseconds
}

interface Fetched {
  readonly text: string
  readonly keys: KeySet
  readonly list: StatusList
  /** Before it was asked for, on the monotonic clock. */
  readonly since: Milliseconds
}

const MOST_LISTS = 64

/**
 * Status lists (draft-ietf-oauth-status-list), each fetched once for everybody who asks meanwhile and kept for as long
 * as it allows, but never longer than whoever asks does.
 */
export class StatusLists {
  readonly #options: StatusListsOptions
  readonly #kept = new Map<string, Fetched>()
  readonly #running = new Map<string, Fetching>()

  constructor(options: StatusListsOptions) {
    this.#options = options
  }

  /**
   * The status of a token; 0 is valid.
   * @throws what fetching throws, RECEIVER_VIEW_STALE when all that can be fetched was issued too long ago, and JWT_* or
   *   STATUS_LIST_* for a list that is none or does not speak of the token
   */
  async statusOf(question: StatusQuestion): Promise<number> {
    const list = this.#usable(question) ?? (await this.#fetch(question))
    const [age, { maxAge }] = [momentOf(this.#options.clock) - list.issuedAt, question]
    // By the clocks of two machines.
    if (age > maxAge + MAX_SKEW) throw receiverError('RECEIVER_VIEW_STALE', { details: { age, maxAge } })
    return list.statusAt(question.index)
  }

  /** What is kept, verified by the keys of now. */
  #usable({ uri, keys, maxAge }: StatusQuestion): StatusList | undefined {
    const kept = this.#kept.get(uri)
    if (kept === undefined) return undefined
    const age = this.#options.clock.monotonic() - kept.since
    const isOld =
      age > Math.min(maxAge, kept.list.ttl ?? maxAge) || kept.list.expiresAt <= momentOf(this.#options.clock)
    if (isOld || kept.keys !== keys) return undefined
    return kept.list
  }

  async #fetch(question: StatusQuestion): Promise<StatusList> {
    const { clock } = this.#options
    const { uri, keys } = question
    const { text: coming, since } = this.#fetching(question)
    const text = await coming
    const list = readStatusList(text, keys, { uri, now: momentOf(clock), skew: MAX_SKEW })
    this.#keep(uri, { text, keys, list, since })
    return list
  }

  /** What is on its way, unless that was asked for too long ago. */
  #fetching({ uri, maxAge }: StatusQuestion): Fetching {
    const { clock, fetchStatusList } = this.#options
    const running = this.#running.get(uri)
    if (running !== undefined && clock.monotonic() - running.since <= maxAge) return running
    const since = clock.monotonic()
    const text = fetchStatusList(uri).finally(() => {
      if (this.#running.get(uri)?.since === since) this.#running.delete(uri)
    })
    const fetching = { text, since }
    this.#running.set(uri, fetching)
    return fetching
  }

  /** The one that was fetched first makes room. */
  #keep(uri: string, fetched: Fetched): void {
    this.#kept.delete(uri)
    const [first] = this.#kept.keys()
    if (this.#kept.size >= MOST_LISTS && first !== undefined) this.#kept.delete(first)
    this.#kept.set(uri, fetched)
  }
}
