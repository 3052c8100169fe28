import type { Milliseconds } from '#kernel/instant.ts'

/** Something that has to be done again and again, for as long as the server runs. */
export interface Duty {
  readonly name: string
  readonly every: Milliseconds
  readonly run: () => Promise<unknown>
  /** Also when something happens: takes what to call then, answers how to stop calling it. */
  readonly on?: (wake: () => void) => () => void
}

export interface Duties {
  /** No run begins any more; those at work are waited for. */
  stop(): Promise<void>
}

/** Whatever happens within this time is one reason to run. */
const GATHERING: Milliseconds = 5

/**
 * Runs each duty by itself: one that fails or takes long holds up nothing but its own next run.
 */
export function startDuties(duties: readonly Duty[], onFailure: (duty: string, error: unknown) => void): Duties {
  const runners = duties.map((duty) => new Runner(duty, onFailure))
  return {
    stop: async () => {
      await Promise.all(runners.map((runner) => runner.stop()))
    },
  }
}

class Runner {
  readonly #duty: Duty
  readonly #onFailure: (duty: string, error: unknown) => void
  readonly #timer: NodeJS.Timeout
  readonly #stopListening: (() => void) | undefined
  #running: Promise<void> | null = null
  #gathering: NodeJS.Timeout | null = null
  #isStopped = false

  constructor(duty: Duty, onFailure: (duty: string, error: unknown) => void) {
    this.#duty = duty
    this.#onFailure = onFailure
    this.#timer = setInterval(() => {
      this.#running ??= this.#run()
    }, duty.every).unref()
    this.#stopListening = duty.on?.(() => {
      this.#wake()
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopListening?.()
    clearInterval(this.#timer)
    if (this.#gathering !== null) clearTimeout(this.#gathering)
    await this.#running
  }

  /** What happens while it runs may have come too late for that run. */
  #wake(): void {
    if (this.#isStopped || this.#gathering !== null) return
    this.#gathering = setTimeout(() => {
      this.#gathering = null
      if (this.#running === null) this.#running = this.#run()
      else
        void this.#running.then(() => {
          if (!this.#isStopped) this.#running ??= this.#run()
        })
    }, GATHERING)
  }

  async #run(): Promise<void> {
    try {
      await this.#duty.run()
    } catch (error) {
      this.#onFailure(this.#duty.name, error)
    }
    this.#running = null
  }
}
