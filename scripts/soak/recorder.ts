import { SystemClock } from '#adapters/system/index.ts'
import type { Accepted, Attempt, Done, Failure, KeyName, Sightings, Where } from './sightings.ts'

const clock = new SystemClock()

/** One clock for all processes of a soak: they are on one machine. */
export function now(): number {
  return clock.now()
}

/** Keeps what was seen until somebody takes it. */
export class Recorder {
  #done: Record<keyof Done, number> = nothing()
  #accepted = new Map<string, Accepted>()
  #failures: Failure[] = []
  #attempts: Attempt[] = []

  count(what: keyof Done): void {
    this.#done[what] += 1
  }

  accepted(where: Where, keys: readonly KeyName[], start: number): void {
    const name = [where, ...keys].join(' ')
    const known = this.#accepted.get(name)
    if (known === undefined) this.#accepted.set(name, { where, keys, starts: [start] })
    else known.starts.push(start)
  }

  failed(failure: Omit<Failure, 'to' | 'asked'> & Partial<Pick<Failure, 'asked'>>): void {
    this.#failures.push({ asked: failure.from, ...failure, to: now() })
  }

  tried(attempt: Attempt): void {
    this.#attempts.push(attempt)
  }

  take(): Sightings {
    const taken = {
      done: this.#done,
      accepted: [...this.#accepted.values()],
      failures: this.#failures,
      attempts: this.#attempts,
    }
    this.#done = nothing()
    this.#accepted = new Map()
    this.#failures = []
    this.#attempts = []
    return taken
  }
}

function nothing(): Record<keyof Done, number> {
  return { handshakes: 0, calls: 0, tokens: 0, svids: 0, renewals: 0 }
}
