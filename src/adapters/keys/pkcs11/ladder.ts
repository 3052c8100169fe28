import type { TokenState } from './observer.ts'
import type { Reason } from './protocol.ts'

export interface LadderSteps {
  /** New sessions, logged in, and a real signature of each key. Null when that went well. */
  login(): Promise<Reason | null>
  /** The module finalized and initialized, and then the same. */
  rebuild(): Promise<Reason | null>
  pause(): void
  resume(generation: number): void
  refuseWaiting(reason: Reason): void
  changed(state: TokenState, reason: Reason | null): void
}

const FIRST_DELAY = 250
/** Below the 5 seconds in which a token that came back is to be in use again. */
const MOST_DELAY = 2_000

/**
 * The ladder of recovery above a new session, which the threads take themselves: log in again, initialize again, and
 * when neither helps open the breaker and try both again after a while. One climb at a time; what waits during the first
 * one is served after it, what comes while the breaker is open is refused at once.
 */
export class Ladder {
  readonly #steps: LadderSteps
  #state: TokenState = 'closed'
  #generation = 0
  #climbing: Promise<void> | null = null
  #delay = FIRST_DELAY
  #timer: NodeJS.Timeout | null = null
  #isOver = false

  constructor(steps: LadderSteps) {
    this.#steps = steps
  }

  get state(): TokenState {
    return this.#state
  }

  /** Rises with every recovery. */
  get generation(): number {
    return this.#generation
  }

  /** The first ascent, at whose end the token is in use. Null when that went well; it can be tried again. */
  async start(): Promise<Reason | null> {
    const reason = await this.#steps.login()
    if (reason === null) this.#up()
    return reason
  }

  /** Resolves when what a recovery takes is over. */
  async settled(): Promise<void> {
    if (this.#state === 'recovering' && this.#climbing !== null) await this.#climbing
  }

  /** Something went wrong in `generation`; resolves when it was tried to make it right. */
  async climb(reason: Reason, generation: number): Promise<void> {
    if (generation < this.#generation || this.#state === 'closed' || this.#state === 'down' || this.#isOver) return
    this.#climbing ??= this.#recover(reason)
    await this.#climbing
  }

  /** Somebody else had the module initialized anew. */
  disturb(): void {
    if (this.#state === 'up') void this.climb('MODULE_REBUILT', this.#generation)
  }

  async close(): Promise<void> {
    this.#isOver = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#climbing
    this.#enter('closed', null)
  }

  async #recover(reason: Reason): Promise<void> {
    this.#steps.pause()
    this.#enter('recovering', reason)
    const failure = await this.#attempt()
    this.#climbing = null
    if (failure === null) this.#up()
    else this.#down(failure)
  }

  async #attempt(): Promise<Reason | null> {
    const failure = await this.#steps.login()
    if (failure === null || isFinal(failure)) return failure
    return this.#steps.rebuild()
  }

  #up(): void {
    if (this.#isOver) return
    this.#delay = FIRST_DELAY
    this.#generation++
    this.#enter('up', null)
    this.#steps.resume(this.#generation)
  }

  #down(reason: Reason): void {
    if (this.#isOver) return
    this.#enter('down', reason)
    this.#steps.refuseWaiting(reason)
    this.#timer = setTimeout(() => {
      void this.#probe()
    }, this.#delay)
    this.#timer.unref()
    this.#delay = Math.min(MOST_DELAY, this.#delay * 2)
  }

  /** Half open: the breaker stays open for everybody else until a real signature is right. */
  async #probe(): Promise<void> {
    this.#climbing = this.#attempt().then((failure) => {
      this.#climbing = null
      if (failure === null) this.#up()
      else this.#down(failure)
    })
    await this.#climbing
  }

  #enter(state: TokenState, reason: Reason | null): void {
    const isNews = state !== this.#state
    this.#state = state
    if (isNews) this.#steps.changed(state, reason)
  }
}

/** Initializing again changes nothing about a PIN. */
function isFinal(reason: Reason): boolean {
  return isPinReason(reason)
}

/** The token refused the PIN, or it is not even tried. */
export function isPinReason(reason: Reason): boolean {
  return reason.startsWith('CKR_PIN_') || reason === 'PIN_LATCHED' || reason === 'PIN_UNREADABLE'
}
