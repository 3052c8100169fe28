import { MAX_SKEW, readStatusList, type KeySet, type StatusList } from '#jwt/index.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import { momentOf, type ReceiverClock } from './clock.ts'

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
  readonly #running = new Map<string, Promise<string>>()

  constructor(options: StatusListsOptions) {
    this.#options = options
  }

  /**
   * The status of a token; 0 is valid.
   * @throws what fetching throws, and JWT_* or STATUS_LIST_* for a list that is none or does not speak of the token
   */
  async statusOf(question: StatusQuestion): Promise<number> {
    const list = this.#usable(question) ?? (await this.#fetch(question))
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

  async #fetch({ uri, keys }: StatusQuestion): Promise<StatusList> {
    const { clock, fetchStatusList } = this.#options
    const since = clock.monotonic()
    let running = this.#running.get(uri)
    if (running === undefined) {
      running = fetchStatusList(uri).finally(() => this.#running.delete(uri))
      this.#running.set(uri, running)
    }
    const text = await running
    const list = readStatusList(text, keys, { uri, now: momentOf(clock), skew: MAX_SKEW })
    this.#keep(uri, { text, keys, list, since })
    return list
  }

  /** The one that was fetched first makes room. */
  #keep(uri: string, fetched: Fetched): void {
    this.#kept.delete(uri)
    const [first] = this.#kept.keys()
    if (this.#kept.size >= MOST_LISTS && first !== undefined) this.#kept.delete(first)
    this.#kept.set(uri, fetched)
  }
}
