import type { OutboxNews, OutboxSignal } from '#flows/ports.ts'
import type { Plan } from './plan.ts'

/** Passes hints on to whoever listens in this process. */
export class Hints implements OutboxSignal {
  readonly #listeners = new Set<(news: OutboxNews) => void>()

  subscribe(listener: (news: OutboxNews) => void): () => void {
    // One of its own for each subscription, should somebody subscribe the same function twice.
    const own = (news: OutboxNews): void => {
      listener(news)
    }
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  tell(news: OutboxNews): void {
    for (const listener of [...this.#listeners]) listener(news)
  }
}

/**
 * Whether somebody waits for the events of this commit: only who takes something back wakes others. What is issued may
 * wait for the next regular look, so that it costs no message.
 */
export function isUrgent({ lock, events }: Pick<Plan, 'lock' | 'events'>): boolean {
  return lock === 'revoke' && events.length > 0
}
