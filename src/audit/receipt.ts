import type { Instant } from '#kernel/instant.ts'

/** Where in its replica's log a commit was written down. What the journal answers has this form. */
export interface LogEntry {
  readonly hash: string
  readonly replica: string
  readonly seq: number
  readonly at: Instant
}

/** What a receipt is for. */
export interface Recorded {
  readonly object: string
  readonly commitments: Readonly<Record<string, string>>
}

let make: (entry: LogEntry, recorded: Recorded) => Receipt

/**
 * Proof that a permitted change and its leaf are durable. There is no other way to one than `record`; whoever signs
 * compares `object` and `commitments` with what is to be signed.
 */
export class Receipt {
  readonly #entry: LogEntry
  readonly #recorded: Recorded

  private constructor(entry: LogEntry, recorded: Recorded) {
    this.#entry = entry
    this.#recorded = recorded
  }

  static {
    make = (entry, recorded) => new Receipt(entry, recorded)
  }

  /** Hash of the leaf, hex. */
  get hash(): string {
    return this.#entry.hash
  }

  get replica(): string {
    return this.#entry.replica
  }

  get seq(): number {
    return this.#entry.seq
  }

  get at(): Instant {
    return this.#entry.at
  }

  get object(): string {
    return this.#recorded.object
  }

  get commitments(): Readonly<Record<string, string>> {
    return this.#recorded.commitments
  }
}

/** For `record` only; the room does not export it. */
export function receiptOf(entry: LogEntry, recorded: Recorded): Receipt {
  return make(entry, recorded)
}
