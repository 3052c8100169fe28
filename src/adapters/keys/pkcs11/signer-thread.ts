import type { Bytes } from '#kernel/bytes.ts'
import { ModuleThread } from './module-thread.ts'
import type { Outcome, Reason, SignJob, SignKey, SignResult, TokenQuery } from './protocol.ts'

export interface Waiting {
  readonly key: SignKey
  readonly input: Bytes
  readonly since: number
  readonly resolve: (outcome: Outcome<Bytes>) => void
}

export interface SignerOptions {
  /** Path of the module. */
  readonly module: string
  readonly token: TokenQuery
  /** Milliseconds that one call may take. */
  readonly limit: number
  /** Logs in where the instance of the module is the thread's own. Null when that went well. */
  readonly login: (thread: ModuleThread) => Promise<Reason | null>
}

export interface SignerEvents {
  readonly onResults: (results: readonly SignResult[]) => void
  readonly onDeath: () => void
}

const NOT_INITIALIZED = 'CKR_CRYPTOKI_NOT_INITIALIZED'

/**
 * A thread that signs, with the jobs that it was given. Nearly every module is one for the process; some (p11-kit's
 * client) are one for each thread that loads them, and there the thread initializes and logs in for itself.
 */
export class SignerThread {
  readonly thread: ModuleThread
  readonly jobs = new Map<number, Waiting>()
  /** Messages that are not answered in full. */
  batches = 0
  /** When it was last heard of, or given work after a rest. */
  heard = performance.now()
  readonly #options: SignerOptions
  #hasOwnInstance = false
  #preparing: Promise<Reason | null> | null = null
  #isReady = false

  constructor(options: SignerOptions, events: SignerEvents) {
    this.#options = options
    this.thread = new ModuleThread(options.module, {
      onResults: (results, done) => {
        if (done) this.batches--
        events.onResults(results)
        this.heard = performance.now()
      },
      onDeath: events.onDeath,
    })
  }

  get isReady(): boolean {
    return this.#isReady
  }

  get isBusy(): boolean {
    return this.jobs.size > 0 || this.#preparing !== null
  }

  /** Makes it ready to sign, whatever was before. Null when that went well. */
  async prepare(): Promise<Reason | null> {
    this.#isReady = false
    this.#preparing ??= (this.#hasOwnInstance ? this.#renew() : this.#greet()).finally(() => {
      this.#preparing = null
    })
    const failure = await this.#preparing
    this.#isReady = failure === null
    return failure
  }

  give(work: readonly SignJob[], generation: number): void {
    this.batches++
    this.thread.sign({ op: 'sign', token: this.#options.token, generation, jobs: work })
  }

  /** Everything that it was given is answered with `reason`. */
  refuse(reason: Reason): void {
    for (const { resolve } of this.jobs.values()) resolve({ ok: false, reason })
    this.jobs.clear()
  }

  async close(): Promise<void> {
    if (this.#hasOwnInstance) await this.thread.ask('finalize', {}, this.#options.limit)
    await this.thread.end()
  }

  async #greet(): Promise<Reason | null> {
    const { token, limit } = this.#options
    const hello = await this.thread.ask('describe', { token }, limit)
    if (hello.ok) return null
    if (hello.reason !== NOT_INITIALIZED) return hello.reason
    this.#hasOwnInstance = true
    return this.#begin()
  }

  async #renew(): Promise<Reason | null> {
    await this.thread.ask('finalize', {}, this.#options.limit)
    return this.#begin()
  }

  async #begin(): Promise<Reason | null> {
    const { limit, login } = this.#options
    const initialized = await this.thread.ask('initialize', {}, limit)
    return initialized.ok ? login(this.thread) : initialized.reason
  }
}
