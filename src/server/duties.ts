import type { Milliseconds } from '#kernel/instant.ts'

/** Something that has to be done again and again, for as long as the server runs. */
export interface Duty {
  readonly name: string
  readonly every: Milliseconds
  readonly run: () => Promise<unknown>
}

export interface Duties {
  /** No run begins any more; those at work are waited for. */
  stop(): Promise<void>
}

/**
 * Runs each duty by itself: one that fails or takes long holds up nothing but its own next run.
 */
export function startDuties(duties: readonly Duty[], onFailure: (duty: string, error: unknown) => void): Duties {
  const running = new Map<string, Promise<void>>()
  const timers = duties.map((duty) => {
    const timer = setInterval(() => {
      if (running.has(duty.name)) return
      const work = duty
        .run()
        .catch((error: unknown) => {
          onFailure(duty.name, error)
        })
        .then(() => {
          running.delete(duty.name)
        })
      running.set(duty.name, work)
    }, duty.every)
    return timer.unref()
  })
  return {
    stop: async () => {
      timers.forEach((timer) => {
        clearInterval(timer)
      })
      await Promise.all(running.values())
    },
  }
}
