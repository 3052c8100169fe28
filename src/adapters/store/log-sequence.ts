import type { LeafDraft, MakeLeaf } from '#audit/index.ts'
import type { Committed, OutboxEvent } from '#flows/ports.ts'
import type { Clock } from '#kernel/clock.ts'
import type { WritError } from '#kernel/errors.ts'
import type { Random } from '#kernel/random.ts'
import { shapeOf } from './columns.ts'
import { EventIds } from './event-ids.ts'
import { encodeRow, type StoredRow } from './rows.ts'

/** What one commit leaves in the log and in the outbox. */
export interface LogRows {
  readonly committed: Committed
  readonly leaf: StoredRow
  readonly private: readonly StoredRow[]
  readonly events: readonly StoredRow[]
}

export interface LogSequenceOptions {
  readonly replica: string
  readonly clock: Clock
  readonly random: Random
  readonly makeLeaf: MakeLeaf
}

/**
 * Gives the leaves of this replica their numbers. A number counts once the transaction that wrote it is durable: until
 * then the journal may `rewind` to where it was.
 */
export class LogSequence {
  readonly #options: LogSequenceOptions
  readonly #ids: EventIds
  #next: number

  constructor(options: LogSequenceOptions, next: number) {
    this.#options = options
    this.#ids = new EventIds(options.random)
    this.#next = next
  }

  get next(): number {
    return this.#next
  }

  rewind(next: number): void {
    this.#next = next
  }

  /** @throws AUDIT_LEAF_INVALID; the number is then not taken */
  permitted(draft: LeafDraft, events: readonly OutboxEvent[]): LogRows {
    const { clock, replica, makeLeaf } = this.#options
    const place = { at: clock.now(), replica, seq: this.#next }
    const made = makeLeaf(draft, place)
    const { bytes, hash } = made
    const { type, actor, object } = draft
    const leaf = encodeRow(shapeOf('LogLeaf'), { hash, ...place, type, actor, object, bytes, position: null })
    const outbox = events.map((event) => ({
      id: this.#ids.next(place.at),
      type: event.type,
      data: event.data,
      createdAt: place.at,
      position: null,
    }))
    const rows = {
      committed: { hash, ...place },
      leaf,
      private: made.private.map((value) => encodeRow(shapeOf('LogPrivate'), value)),
      events: outbox.map((event) => encodeRow(shapeOf('Outbox'), event)),
    }
    this.#next++
    return rows
  }

  /** The leaf of a commit that was refused: the same, but for its decision; no event. */
  denied(draft: LeafDraft, refusal: WritError): LogRows {
    return this.permitted({ ...draft, decision: `deny:${refusal.code}` }, [])
  }
}
