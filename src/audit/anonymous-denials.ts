import type { Clock } from '#kernel/clock.ts'
import { toRfc3339, wholeSecond, type Instant } from '#kernel/instant.ts'
import type { CommitPort } from './ports.ts'
import { recordDenial, type DenialCommit } from './record.ts'

/** Codes beyond this many in one second share one leaf, so that the log grows by a bounded number of leaves. */
const MAX_REASONS = 64
/** While nothing can be written, what comes later than this many seconds is counted with the earliest one. */
const MAX_SECONDS = 60
const OTHER = 'OTHER'

/**
 * Refusals of callers whom nobody has authenticated: one leaf per reason and second, with their number, so that
 * nobody can fill the log from outside. `count` only counts; whoever composes the server calls `flush` every second
 * and once more at the end.
 */
export class AnonymousDenials {
  readonly #journal: CommitPort<DenialCommit>
  readonly #clock: Clock
  #counts = new Map<string, Map<string, number>>()

  constructor(journal: CommitPort<DenialCommit>, clock: Clock) {
    this.#journal = journal
    this.#clock = clock
  }

  /** `code` is the code of the error that the caller got. */
  count(code: string): void {
    this.#add(secondOf(this.#clock.now()), code, 1)
  }

  /** Writes the leaves of every second that is over, or of all. What cannot be written is kept for the next time. */
  async flush(seconds: 'past' | 'all' = 'past'): Promise<void> {
    const current = secondOf(this.#clock.now())
    const due = [...this.#counts].filter(([second]) => seconds === 'all' || second !== current)
    for (const [second] of due) this.#counts.delete(second)
    const leaves = due.flatMap(([second, counts]) => [...counts].map(([code, number]) => ({ second, code, number })))
    const written = await Promise.allSettled(leaves.map((leaf) => this.#write(leaf)))
    const failures = written.flatMap((result, index) => {
      const leaf = leaves[index]
      if (result.status === 'fulfilled' || leaf === undefined) return []
      this.#add(leaf.second, leaf.code, leaf.number)
      return [result.reason as unknown]
    })
    if (failures.length > 0) throw failures[0]
  }

  #write(leaf: { second: string; code: string; number: number }): Promise<void> {
    return recordDenial(this.#journal, {
      type: 'request.denied',
      actor: 'anonymous',
      object: `second:${leaf.second}`,
      code: leaf.code,
      commitments: { count: String(leaf.number) },
    })
  }

  #add(second: string, code: string, number: number): void {
    const [first] = this.#counts.keys()
    const full = this.#counts.size >= MAX_SECONDS && !this.#counts.has(second)
    const slot = full && first !== undefined ? first : second
    const counts = this.#counts.get(slot) ?? new Map<string, number>()
    const reason = counts.has(code) || counts.size < MAX_REASONS ? code : OTHER
    this.#counts.set(slot, counts.set(reason, (counts.get(reason) ?? 0) + number))
  }
}

function secondOf(moment: Instant): string {
  return toRfc3339(wholeSecond(moment))
}
