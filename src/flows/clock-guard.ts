import type { Receipt } from '#audit/index.ts'
import { issuanceError } from '#issuance/index.ts'
import type { Clock } from '#kernel/clock.ts'
import { SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { ClockMarks } from './ports.ts'

const TOLERANCE: Milliseconds = SECOND
const DATABASE_TOLERANCE: Milliseconds = 2 * SECOND
/** The mark is written before anything is issued this much later than it says, and the database's clock is read then. */
const INTERVAL: Milliseconds = 5 * SECOND
/** A clock that has just leapt further is not believed yet: a wrong mark in the future would stop issuance for as long. */
const LEAP: Milliseconds = 60 * SECOND

/** A wall-clock time and the monotonic one at the same moment. */
interface Reading {
  readonly wall: Instant
  readonly monotonic: Milliseconds
}

export interface ClockGuardPorts {
  readonly clock: Clock
  readonly marks: ClockMarks
  readonly replica: string
}

/**
 * Promise 12: whoever issues asks here for the time. Issuance stops while the clock is over a second behind this
 * replica's mark, or over two seconds from the database's clock.
 */
export class ClockGuard {
  readonly #ports: ClockGuardPorts
  /** The stored mark as last read or written. */
  #mark: Instant | null
  /** When the clock was last compared with everything; null before the first time. */
  #checked: Reading | null = null
  /** Where the clock leapt to, as long as it is not believed. */
  #leap: Reading | null = null
  #running: Promise<void> | null = null

  private constructor(ports: ClockGuardPorts, mark: Instant | null) {
    this.#ports = ports
    this.#mark = mark
  }

  static async load(ports: ClockGuardPorts): Promise<ClockGuard> {
    return new ClockGuard(ports, await ports.marks.read(ports.replica))
  }

  /**
   * The time at which something may be issued now.
   * @throws CLOCK_BEHIND_MARK, CLOCK_DIFFERS, and what the store throws: no mark, no issuance
   */
  async check(): Promise<Instant> {
    if (this.#isDue(this.#read())) await this.#compareOnce()
    const { wall } = this.#read()
    this.#refuseBehindMark(wall)
    return wall
  }

  /**
   * Takes the clock as it is now for the right one, although the mark is later. What was issued meanwhile stays.
   * @throws CLOCK_DIFFERS
   */
  async accept(receipt: Receipt): Promise<Instant> {
    const reading = this.#read()
    if (receipt.object !== `replica:${this.#ports.replica}`) throw issuanceError('CLOCK_NOT_ACCEPTED')
    await this.#compareWithDatabase()
    await this.#write(reading)
    this.#checked = reading
    this.#leap = null
    return reading.wall
  }

  get mark(): Instant | null {
    return this.#mark
  }

  #read(): Reading {
    const { clock } = this.#ports
    return { wall: clock.now(), monotonic: clock.monotonic() }
  }

  /** A while since the last comparison, or a step of the clock against the monotonic one. */
  #isDue(reading: Reading): boolean {
    if (this.#checked === null) return true
    const elapsed = reading.monotonic - this.#checked.monotonic
    return elapsed >= INTERVAL || Math.abs(drift(this.#checked, reading)) > TOLERANCE
  }

  /** Those who ask while a comparison is running wait for that one. */
  async #compareOnce(): Promise<void> {
    this.#running ??= this.#compare().finally(() => {
      this.#running = null
    })
    await this.#running
  }

  async #compare(): Promise<void> {
    const hasDatabaseClock = await this.#compareWithDatabase()
    const reading = this.#read()
    this.#refuseBehindMark(reading.wall)
    const isLater = this.#mark === null || reading.wall > this.#mark
    if (isLater && (hasDatabaseClock || this.#isBelieved(reading))) await this.#write(reading)
    this.#checked = reading
  }

  async #compareWithDatabase(): Promise<boolean> {
    const before = this.#read()
    const database = await this.#ports.marks.databaseNow()
    if (database === null) return false
    // The answer is from some moment between asking and getting it.
    const { wall } = this.#read()
    const ahead = before.wall - database
    const behind = database - wall
    if (ahead > DATABASE_TOLERANCE || behind > DATABASE_TOLERANCE) {
      throw issuanceError('CLOCK_DIFFERS', { details: { ahead: Math.max(ahead, -behind) } })
    }
    return true
  }

  #refuseBehindMark(wall: Instant): void {
    if (this.#mark === null || wall >= this.#mark - TOLERANCE) return
    throw issuanceError('CLOCK_BEHIND_MARK', { details: { behind: this.#mark - wall } })
  }

  /** A leap is believed once the clock has gone on from there for as long as the leap that is suspected. */
  #isBelieved(reading: Reading): boolean {
    if (this.#leap !== null && Math.abs(drift(this.#leap, reading)) > LEAP) this.#leap = null
    if (this.#leap !== null) {
      if (reading.monotonic - this.#leap.monotonic < LEAP) return false
      this.#leap = null
      return true
    }
    if (this.#checked === null || drift(this.#checked, reading) <= LEAP) return true
    this.#leap = reading
    return false
  }

  async #write(reading: Reading): Promise<void> {
    await this.#ports.marks.write(this.#ports.replica, reading.wall)
    this.#mark = reading.wall
  }
}

/** How much further the wall clock went than the monotonic one. */
function drift(from: Reading, to: Reading): Milliseconds {
  return to.wall - from.wall - (to.monotonic - from.monotonic)
}
