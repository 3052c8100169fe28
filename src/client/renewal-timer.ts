import type { Clock } from '#kernel/clock.ts'
import { earliest, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import type { Identity } from './identity.ts'
import type { RenewalAdvice } from './public-documents.ts'

export interface RenewalTimerOptions {
  readonly clock: Clock
  readonly random: Random
  /** It is time. What it throws has it called again after a pause, which grows. */
  readonly renew: () => Promise<unknown>
  readonly failed: (error: unknown) => void
  /** Now and then, whether or not it is time. */
  readonly ticked: () => void
}

const FIRST_PAUSE: Milliseconds = 5 * SECOND
const LONGEST_PAUSE: Milliseconds = 240 * SECOND
/** Timers do not see a clock that was set, or a machine that slept: how late such a step is noticed at most. */
const LONGEST_WAIT: Milliseconds = 30 * SECOND
/** Whoever is told to renew at once does so within this, each at a moment of its own. */
const AT_ONCE: Milliseconds = 5 * SECOND

/** Whoever is told to renew at the very end, or after it, would be locked out by one failure: a sixth of the life is left. */
function latestFor({ notBefore, notAfter }: Pick<Identity, 'notBefore' | 'notAfter'>): Instant {
  return Math.floor(notAfter - (notAfter - notBefore) / 6) as Instant
}

/** When the certificate in use is renewed: half-way through its life, unless the server says something better. */
export class RenewalTimer {
  readonly #options: RenewalTimerOptions
  /** 0 to 1, drawn once per certificate: its place within every span of time. */
  #draw = 0
  #dueAt = 0 as Instant
  #timer: NodeJS.Timeout | undefined
  #pause: Milliseconds = FIRST_PAUSE
  #isPausing = false
  #closed = false

  constructor(options: RenewalTimerOptions) {
    this.#options = options
  }

  get draw(): number {
    return this.#draw
  }

  /** Another certificate is in use from now on: due at half of its life, with a tenth of jitter. */
  start({ renewAt, notBefore, notAfter }: Pick<Identity, 'renewAt' | 'notBefore' | 'notAfter'>): void {
    this.#draw = (this.#options.random.bytes(1)[0] ?? 0) / 255
    const due = renewAt + (this.#draw - 0.5) * 0.2 * ((notAfter - notBefore) / 2)
    this.#dueAt = earliest(due as Instant, latestFor({ notBefore, notAfter }))
    this.#pause = FIRST_PAUSE
    this.#isPausing = false
    this.#wait(this.#untilDue())
  }

  /** What the server says about the certificate that is in use, as long as that leaves time to try again. */
  heed({ start, end }: Pick<RenewalAdvice, 'start' | 'end'>, life: Pick<Identity, 'notBefore' | 'notAfter'>): void {
    if (end <= this.#options.clock.now()) this.renewAtOnce()
    else this.#setDue(earliest(Math.round(start + this.#draw * (end - start)) as Instant, latestFor(life)))
  }

  /** Within a few seconds, unless it is tried already. */
  renewAtOnce(): void {
    const soon = this.#options.clock.now() + Math.round(this.#draw * AT_ONCE)
    this.#setDue(earliest(this.#dueAt, soon as Instant))
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #setDue(due: Instant): void {
    this.#dueAt = due
    // What is tried again and again has a pause of its own.
    if (!this.#isPausing) this.#wait(this.#untilDue())
  }

  #untilDue(): Milliseconds {
    return Math.max(0, this.#dueAt - this.#options.clock.now())
  }

  #wait(length: Milliseconds): void {
    clearTimeout(this.#timer)
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.#tick(), Math.min(length, LONGEST_WAIT))
    this.#timer.unref()
  }

  async #tick(): Promise<void> {
    this.#options.ticked()
    if (this.#untilDue() > 0) {
      this.#isPausing = false
      this.#wait(this.#untilDue())
      return
    }
    // Until it is known what came of it, nothing else sets the timer.
    this.#isPausing = true
    try {
      await this.#options.renew()
    } catch (error) {
      if (this.#closed) return
      this.#pauseUntilRetry()
      this.#options.failed(error)
    }
  }

  #pauseUntilRetry(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#tick(), this.#pause)
    this.#timer.unref()
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE)
  }
}
