import type { Commit, Committed } from '#flows/ports.ts'
import { storeError } from './errors.ts'
import { isUrgent } from './hints.ts'
import { planOf, type Plan, type Waiting } from './plan.ts'

/** Runs commits as one transaction and answers each of them. `isMore` tells whether others wait by now. */
export type RunBatch = (batch: readonly Waiting[], isMore: () => boolean) => Promise<void> | void

/** So that one transaction keeps nobody waiting for long. */
const MAX_BATCH = 256

/**
 * Gathers the commits of one tick, and those that arrive while a transaction runs, into the next one. Revocations come
 * first and share a transaction with nothing else; so does a commit that looks at the log, which its neighbours write.
 */
export class CommitQueue {
  readonly #run: RunBatch
  readonly #onUrgent: () => void
  #waiting: Waiting[] = []
  #running: Promise<void> | null = null
  #closed = false

  /** `onUrgent` is called after a batch whose events somebody waits for, whatever became of it. */
  constructor(run: RunBatch, onUrgent: () => void = () => undefined) {
    this.#run = run
    this.#onUrgent = onUrgent
  }

  /** @throws STORE_CLOSED, STORE_QUERY_INVALID, and whatever the commit meets */
  async add(commit: Commit): Promise<Committed> {
    if (this.#closed) throw storeError('STORE_CLOSED')
    const plan = planOf(commit)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ plan, resolve, reject })
      this.#running ??= this.#drain()
    })
  }

  /** Refuses new commits and waits for those that are there. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      await new Promise((resolve) => setImmediate(resolve))
      await this.#answer(this.#take())
    }
    this.#running = null
  }

  /** Nobody waits for ever, whatever happens to the one that was to answer. */
  async #answer(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#run(batch, () => this.#waiting.length > 0)
    } catch (cause) {
      for (const { reject } of batch) reject(storeError('STORE_UNAVAILABLE', { cause }))
    }
    if (batch.some(({ plan }) => isUrgent(plan))) this.#onUrgent()
  }

  #take(): readonly Waiting[] {
    const revocations = this.#waiting.filter(({ plan }) => plan.lock === 'revoke')
    const candidates = revocations.length > 0 ? revocations : this.#waiting
    const alone = candidates.findIndex(({ plan }) => mustBeAlone(plan))
    const end = alone === -1 ? MAX_BATCH : Math.min(MAX_BATCH, Math.max(1, alone))
    const batch = new Set(candidates.slice(0, end))
    this.#waiting = this.#waiting.filter((waiting) => !batch.has(waiting))
    return [...batch]
  }
}

const JOURNAL_TABLES = new Set<string>(['LogLeaf', 'LogPrivate', 'Outbox'])

function mustBeAlone(plan: Plan): boolean {
  return plan.guards.some(({ shape }) => JOURNAL_TABLES.has(shape.name))
}
