import {
  ACCEPTED,
  type Attempt,
  type Done,
  type Failure,
  type KeyName,
  type Sightings,
  type Where,
} from './sightings.ts'
import { blamed, isJudged, isOf, keysIn, type Signed } from './verdicts.ts'

/** A key that was taken back by a command. */
export interface Taint {
  readonly keys: readonly KeyName[]
  /** When the command was given, and when it was answered. */
  readonly from: number
  readonly until: number
  /** Nothing of it was in use any more: then nobody may notice. */
  readonly unused: boolean
  /** For how long holders of its certificates may take to renew, in milliseconds; none for keys of tokens. */
  readonly within: number
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
  /** Refused for something else: the certificate that a token came with, or a connection that broke. */
  readonly invalidUnjudged: number
  readonly invalidAccepted: number
  /** Dead, but accepted within the time that a receiver has to hear of it. */
  readonly acceptedWithinAllowance: number
  /** Taints after which nothing of a successor was accepted, and kinds of dead things that nobody judged. */
  readonly unproven: number
}

const MOST_EXAMPLES = 20

/** Collects what everybody has seen, and judges it by what had been taken back at that moment. */
export class Ledger {
  readonly #allowance: number
  readonly #taints: Taint[] = []
  readonly #left = new Map<KeyName, number>()
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

  /** Nobody holds anything of it any more, nor has anything under way: from then on a taint explains nothing. */
  left(keys: readonly KeyName[], at: number): void {
    for (const key of keys) this.#left.set(key, at)
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
      invalidUnjudged: this.#attempts.filter((one) => one.outcome !== ACCEPTED && !isJudged(one)).length,
      invalidAccepted: late + used.late,
      acceptedWithinAllowance: early + used.early,
      unproven: this.#unproven().length,
    }
  }

  get isClean(): boolean {
    const { failedHandshakes, failedCalls, validRefused, invalidAccepted, unproven } = this.figures
    return failedHandshakes + failedCalls + validRefused + invalidAccepted + unproven === 0
  }

  /** What must not have happened, each with its reason, and what should have. */
  get examples(): readonly string[] {
    return [...this.wrongs, ...this.#unproven()].slice(0, MOST_EXAMPLES)
  }

  /** What must not have happened. */
  get wrongs(): readonly string[] {
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
    ]
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

  /** How long after the answer to a taint the last thing began that it explains, in milliseconds. */
  get lastExcuse(): number {
    const excused = this.#failures.filter((failure) => this.#isExcused(failure))
    const late = excused.map(({ from, to }) => {
      const until = this.#taints.filter((taint) => !taint.unused && taint.from <= to).map((taint) => taint.until)
      return from - Math.max(...until)
    })
    return Math.max(0, ...late)
  }

  #isWrong({ outcome, at, deadSince }: Attempt): boolean {
    return outcome === ACCEPTED && at >= deadSince + this.#allowance
  }

  /**
   * A failure that a taint explains: somebody did not believe a key of the kind that was tainted, it was that very key,
   * and what it had signed was got before the taint was answered; of certificates, used before its holder had to have
   * another. The server itself always shows what is good.
   */
  #isExcused(failure: Failure): boolean {
    const { where, why } = failure
    if (where === 'server' && why.startsWith('SERVER_')) return false
    const kind = blamed(why)
    return kind !== null && this.#taints.some((taint) => this.#explains(taint, failure, kind))
  }

  #explains(taint: Taint, { keys, asked, from, to, why }: Failure, kind: Signed): boolean {
    if (taint.unused || taint.from > to) return false
    // Who does not trust a server says whose certificate that has shown; otherwise it was the caller's own.
    const own = why.includes('SERVER_NOT_TRUSTED') ? keysIn(why) : keys.filter(isOf(kind))
    const known = own.filter((key) => taint.keys.includes(key))
    if (kind === 'x509') return known.some((key) => from <= this.#mustHaveLeft(taint, key))
    const isUnseen = own.includes(`${kind}:?`) && taint.keys.some(isOf(kind))
    return (known.length > 0 || isUnseen) && asked <= taint.until
  }

  #mustHaveLeft({ until, within }: Taint, key: KeyName): number {
    return Math.min(until + within, this.#left.get(key) ?? Number.POSITIVE_INFINITY)
  }

  /** What the soak was to show, and did not come to. */
  #unproven(): readonly string[] {
    const replaced = this.#taints.filter((taint) => !taint.unused && !this.#isReplaced(taint))
    const tried = Map.groupBy(this.#attempts, ({ what, where }) => `${what}, at a ${where}`)
    const unjudged = [...tried].filter(([, attempts]) => !attempts.some(isJudged))
    return [
      ...replaced.map(({ keys }) => `nothing of a successor was accepted after the taint of ${keys.join(', ')}`),
      ...unjudged.map(([name]) => `nobody judged ${name}`),
    ]
  }

  /** Something of a key that came in its place was accepted since. */
  #isReplaced({ keys, until }: Taint): boolean {
    const [kind] = (['x509', 'access-token', 'jwt-svid'] as const).filter((one) => keys.some(isOf(one)))
    const tainted = new Set(this.#taints.filter(({ unused }) => !unused).flatMap((one) => one.keys))
    return [...this.#accepted.values()].some(
      (used) =>
        kind !== undefined &&
        used.starts.some((start) => start > until) &&
        used.keys.some((key) => isOf(kind)(key) && !key.endsWith(':?') && !tainted.has(key)),
    )
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
