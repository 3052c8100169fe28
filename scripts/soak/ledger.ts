import {
  ACCEPTED,
  type Attempt,
  type Done,
  type Failure,
  type KeyName,
  type Sightings,
  type Where,
} from './sightings.ts'

/** A key that was taken back by a command. */
export interface Taint {
  readonly keys: readonly KeyName[]
  /** When the command was given, and when it was answered. */
  readonly from: number
  readonly until: number
  /** Nothing of it was in use any more: then nobody may notice. */
  readonly unused: boolean
}

/** Since when nobody of a kind should take anything of a key. */
export interface Death {
  readonly key: KeyName
  readonly where: Where
  readonly from: number
}

export interface Figures extends Done {
  readonly failedHandshakes: number
  /** Calls to the server that failed though nothing was wrong with them. */
  readonly failedCalls: number
  readonly validRefused: number
  /** Refused, rightly: the key of a certificate or token in use had been tainted a moment before. */
  readonly refusedAsTainted: number
  readonly invalidTried: number
  readonly invalidAccepted: number
  /** Dead, but accepted within the time that a receiver has to hear of it. */
  readonly acceptedWithinAllowance: number
}

const MOST_EXAMPLES = 20

/** Collects what everybody has seen, and judges it by what had been taken back at that moment. */
export class Ledger {
  readonly #allowance: number
  readonly #taints: Taint[] = []
  readonly #deaths: Death[] = []
  readonly #accepted = new Map<string, { where: Where; keys: readonly KeyName[]; starts: number[] }>()
  readonly #failures: Failure[] = []
  readonly #attempts: Attempt[] = []
  readonly #done: Record<keyof Done, number> = { handshakes: 0, calls: 0, tokens: 0, svids: 0, renewals: 0 }

  constructor(allowance: number) {
    this.#allowance = allowance
  }

  take({ done, accepted, failures, attempts }: Sightings): void {
    for (const what of ['handshakes', 'calls', 'tokens', 'svids', 'renewals'] as const) this.#done[what] += done[what]
    for (const { where, keys, starts } of accepted) {
      const name = [where, ...keys].join(' ')
      const known = this.#accepted.get(name)
      if (known === undefined) this.#accepted.set(name, { where, keys, starts: [...starts] })
      else known.starts.push(...starts)
    }
    this.#failures.push(...failures)
    this.#attempts.push(...attempts)
  }

  tainted(taint: Taint): void {
    this.#taints.push(taint)
  }

  died(death: Death): void {
    this.#deaths.push(death)
  }

  get figures(): Figures {
    const failures = this.#failures.filter((failure) => !this.#isExcused(failure))
    const count = (what: Failure['what']) => failures.filter((failure) => failure.what === what).length
    const late = this.#attempts.filter((attempt) => this.#isWrong(attempt)).length
    const early = this.#attempts.filter((one) => one.outcome === ACCEPTED).length - late
    const used = this.#usedDead()
    return {
      ...this.#done,
      failedHandshakes: count('handshake'),
      failedCalls: count('call'),
      validRefused: count('token'),
      refusedAsTainted: this.#failures.length - failures.length,
      invalidTried: this.#attempts.length,
      invalidAccepted: late + used.late,
      acceptedWithinAllowance: early + used.early,
    }
  }

  get isClean(): boolean {
    const { failedHandshakes, failedCalls, validRefused, invalidAccepted } = this.figures
    return failedHandshakes + failedCalls + validRefused + invalidAccepted === 0
  }

  /** What must not have happened, each with its reason. */
  get examples(): readonly string[] {
    const failures = this.#failures.filter((failure) => !this.#isExcused(failure))
    return [
      ...failures.map(({ what, where, keys, from, to, why }) =>
        [`${time(from)} ${what} failed at a ${where} after ${String(to - from)} ms: ${why}`, ...keys].join(' ; '),
      ),
      ...this.#attempts
        .filter((attempt) => this.#isWrong(attempt))
        .map(
          ({ what, where, deadSince, at }) =>
            `${time(at)} ${what} was accepted by a ${where} ${String(at - deadSince)} ms after it was dead`,
        ),
      ...this.#usedDead().examples,
    ].slice(0, MOST_EXAMPLES)
  }

  /** How what was dead was refused, by what it was, where, and the code. */
  get refusals(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const { what, where, outcome } of this.#attempts) {
      const name = `${what}, at a ${where}: ${outcome.split(' ')[0] ?? ''}`
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }

  /** The same of what was refused because its key had just been tainted. */
  get excuses(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const failure of this.#failures.filter((one) => this.#isExcused(one))) {
      const name = `${failure.what} at a ${failure.where}: ${failure.why.split(' {')[0] ?? ''}`
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }

  #isWrong({ outcome, at, deadSince }: Attempt): boolean {
    return outcome === ACCEPTED && at >= deadSince + this.#allowance
  }

  /** A failure that a taint explains: of a key that it names. The server itself always shows what is good. */
  #isExcused({ where, keys, from, to, why }: Failure): boolean {
    if (where === 'server' && why.startsWith('SERVER_')) return false
    return this.#taints.some((taint) => {
      if (taint.unused || taint.from > to) return false
      if (taint.keys.some((key) => keys.includes(key))) return true
      const isUnseen = keys.some(
        (key) => key.endsWith(':?') && taint.keys.some((one) => one.startsWith(key.slice(0, -1))),
      )
      return isUnseen && from <= taint.until
    })
  }

  /** What agents went on with though its key was dead. */
  #usedDead(): { readonly late: number; readonly early: number; readonly examples: readonly string[] } {
    let [late, early] = [0, 0]
    const examples: string[] = []
    for (const { key, where, from } of this.#deaths) {
      for (const used of this.#accepted.values()) {
        if (used.where !== where || !used.keys.includes(key)) continue
        const after = used.starts.filter((start) => start > from)
        const wrong = after.filter((start) => start > from + this.#allowance)
        late += wrong.length
        early += after.length - wrong.length
        for (const start of wrong)
          examples.push(`${time(start)} ${key} was accepted by a ${where} ${String(start - from)} ms after`)
      }
    }
    return { late, early, examples }
  }
}

function time(at: number): string {
  return new Date(at).toISOString().slice(11, 23)
}
