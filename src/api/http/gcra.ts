import { SECOND, type Milliseconds } from '#kernel/instant.ts'

const MICROSECONDS = 1_000

/** `rate` in a second on average, `burst` at once. */
export interface Rate {
  readonly rate: number
  readonly burst: number
}

/**
 * The generic cell rate algorithm (ITU-T I.371): per key one number, the time at which its bucket would be full again.
 * Keys are forgotten when their bucket is full, and the oldest one when there are too many of them, so that a flood
 * of keys costs memory up to a bound and nothing else.
 */
export class RateLimit {
  /** Whole microseconds, as all times in here: fractions would add up to waits that are never quite over. */
  readonly #interval: number
  readonly #tolerance: number
  readonly #maxKeys: number
  readonly #fullAt = new Map<string, number>()

  constructor(rate: Rate, maxKeys = 100_000) {
    this.#interval = Math.max(Math.round((SECOND * MICROSECONDS) / rate.rate), 1)
    this.#tolerance = this.#interval * Math.max(rate.burst - 1, 0)
    this.#maxKeys = maxKeys
  }

  /** How long `key` has to wait; 0 when it may go on. Nothing is counted. `now` comes from a monotonic clock. */
  wait(key: string, now: Milliseconds): Milliseconds {
    const at = Math.floor(now * MICROSECONDS)
    return Math.max((this.#fullAt.get(key) ?? at) - this.#tolerance - at, 0) / MICROSECONDS
  }

  /** Counts one; returns how long `key` has to wait when it may not go on, in which case nothing is counted. */
  take(key: string, now: Milliseconds): Milliseconds {
    const wait = this.wait(key, now)
    if (wait > 0) return wait
    const at = Math.floor(now * MICROSECONDS)
    const fullAt = Math.max(this.#fullAt.get(key) ?? at, at) + this.#interval
    this.#fullAt.delete(key)
    if (this.#fullAt.size >= this.#maxKeys) this.#forget(at)
    this.#fullAt.set(key, fullAt)
    return 0
  }

  get size(): number {
    return this.#fullAt.size
  }

  /** Keys are in the order of their last use: the first ones are those that are full again, or soonest. */
  #forget(at: number): void {
    for (const [key, fullAt] of this.#fullAt) {
      if (fullAt > at && this.#fullAt.size < this.#maxKeys) return
      this.#fullAt.delete(key)
    }
  }
}

/** One IPv4 address, or the /64 of an IPv6 address: nobody is given less than that. */
export function prefixOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped?.[1] !== undefined) return mapped[1]
  if (!address.includes(':')) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : Math.max(8 - left.length - right.length, 0)
  const groups = [...left, ...Array<string>(missing).fill('0'), ...right]
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
