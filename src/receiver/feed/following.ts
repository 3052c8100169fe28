import type { Bytes } from '#kernel/bytes.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import { receiverError } from '../errors.ts'
import { readFrame, type FeedFrame } from './frames.ts'
import { Revoked } from './revoked.ts'
import { EventParser, type StreamEvent } from './sse.ts'

/** What one connection to the feed begins with. */
export interface Beginning {
  /** The position up to which everything is known; null for the whole view. */
  readonly position: number | null
  /** What is known up to there. */
  readonly known: Revoked | null
  readonly mostRevoked: number
}

const POSITION = /^(?:-1|0|[1-9][0-9]{0,15})$/

/**
 * One connection to the feed, from its first event to its end: keeps account of positions, and knows when the view is
 * complete. A position counts as reached when another follows or the feed says so, for several events may have the
 * same one. Where the feed says that everything in force follows, memory begins anew: what was before may be over.
 */
export class Following {
  readonly #mostRevoked: number
  readonly #parser = new EventParser()
  #revoked: Revoked
  /** What is used until the new view is complete, and hears of everything meanwhile. */
  #known: Revoked | null
  #reached: number | null
  #last: number
  #isComplete = false

  constructor({ position, known, mostRevoked }: Beginning) {
    const goesOn = position !== null && known !== null
    this.#mostRevoked = mostRevoked
    this.#revoked = goesOn ? known : new Revoked(mostRevoked)
    this.#known = goesOn ? null : known
    this.#reached = goesOn ? position : null
    this.#last = goesOn ? position : Number.NEGATIVE_INFINITY
  }

  /** What was heard to be dead. */
  get revoked(): Revoked {
    return this.#revoked
  }

  /** Whether everything up to now has been heard. */
  get isComplete(): boolean {
    return this.#isComplete
  }

  /** From where another connection can go on; null where it has to begin anew. */
  get position(): number | null {
    return this.#reached
  }

  /**
   * Takes a piece of the stream, and tells of each frame once it counts.
   * @throws RECEIVER_FEED_MALFORMED, RECEIVER_FEED_DISORDERED, RECEIVER_FEED_TOO_LARGE
   */
  take(piece: Bytes, at: Milliseconds, tell: (frame: FeedFrame) => void): void {
    for (const event of this.#parser.push(piece)) {
      const frame = readFrame(event.name, event.data)
      if (frame?.event === 'view') this.#beginAnew()
      this.#advance(event, frame)
      if (frame === null) continue
      this.#revoked.apply(frame, at)
      this.#known?.apply(frame, at)
      tell(frame)
    }
  }

  #beginAnew(): void {
    if (this.#isComplete || this.#known === null) this.#known = this.#revoked
    this.#revoked = new Revoked(this.#mostRevoked)
    this.#reached = null
    this.#last = Number.NEGATIVE_INFINITY
    this.#isComplete = false
  }

  #advance({ id }: StreamEvent, frame: FeedFrame | null): void {
    const position = id === undefined ? null : positionOf(id)
    if (position !== null) this.#move(position)
    if (frame?.event !== 'ready' && frame?.event !== 'heartbeat') return
    this.#move(frame.position)
    if (frame.event === 'ready') this.#isComplete = true
    // Before it is complete a whole view has no position to go on from.
    if (this.#isComplete) this.#reached = frame.position
  }

  /** What was in force before the view began comes in any order; from then on positions only rise. */
  #move(position: number): void {
    const isWholeView = !this.#isComplete && this.#reached === null
    if (isWholeView) {
      this.#last = Math.max(this.#last, position)
      return
    }
    if (position < this.#last) throw receiverError('RECEIVER_FEED_DISORDERED')
    if (position > this.#last) this.#reached = this.#last
    this.#last = position
  }
}

function positionOf(id: string): number {
  if (!POSITION.test(id)) throw receiverError('RECEIVER_FEED_MALFORMED', { details: { problem: 'id' } })
  return Number(id)
}
