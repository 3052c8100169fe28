import { storeError } from './errors.ts'

/** Adds `count` to a counter durably and answers its value before. */
export type AddToCounter = (name: string, count: number) => Promise<number>

interface Request {
  readonly count: number
  readonly resolve: (first: number) => void
  readonly reject: (error: unknown) => void
}

/**
 * One write for all who ask for numbers of one counter at about the same time. Numbers are never kept back for later:
 * what is asked for later is higher, on whichever replica.
 */
export class CounterQueue {
  readonly #add: AddToCounter
  readonly #waiting = new Map<string, Request[]>()

  constructor(add: AddToCounter) {
    this.#add = add
  }

  /** @throws STORE_QUERY_INVALID for a count below 1 */
  async reserve(name: string, count: number): Promise<number> {
    if (!Number.isSafeInteger(count) || count < 1) throw storeError('STORE_QUERY_INVALID', { details: { count } })
    return new Promise((resolve, reject) => {
      const requests = this.#waiting.get(name)
      if (requests !== undefined) {
        requests.push({ count, resolve, reject })
        return
      }
      this.#waiting.set(name, [{ count, resolve, reject }])
      setImmediate(() => void this.#flush(name))
    })
  }

  async #flush(name: string): Promise<void> {
    const requests = this.#waiting.get(name) ?? []
    this.#waiting.delete(name)
    try {
      let next = await this.#add(
        name,
        requests.reduce((sum, { count }) => sum + count, 0),
      )
      for (const { count, resolve } of requests) {
        resolve(next)
        next += count
      }
    } catch (error) {
      for (const { reject } of requests) reject(error)
    }
  }
}
