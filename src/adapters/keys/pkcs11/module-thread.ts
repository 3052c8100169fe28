import { Worker } from 'node:worker_threads'
import type { Outcome, Question, Questions, Reason, SignResult, ThreadReply, ThreadRequest } from './protocol.ts'

/** Run from source, a thread needs what the process was started with; compiled, it needs nothing. */
const IS_SOURCE = import.meta.url.endsWith('.ts')
const ENTRY = new URL(IS_SOURCE ? './thread/main.ts' : './thread/main.js', import.meta.url)
const FLAGS = IS_SOURCE ? ['--conditions=writ-source', '--disable-warning=ExperimentalWarning'] : []

export interface ThreadEvents {
  readonly onResults: (results: readonly SignResult[], done: boolean) => void
  /** It ended by itself. */
  readonly onDeath: () => void
}

/** A thread in which the module is called. It answers in order, and may die or hang with the module. */
export class ModuleThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, (outcome: Outcome<unknown>) => void>()
  readonly #ended: Promise<void>
  #next = 0
  #isOver = false

  constructor(module: string, events: ThreadEvents) {
    this.#worker = new Worker(ENTRY, { workerData: { module }, execArgv: FLAGS })
    this.#worker.on('message', (reply: ThreadReply) => {
      if ('results' in reply) events.onResults(reply.results, reply.done)
      else this.#answer(reply.number, reply.outcome)
    })
    // The error is the binding's or the module's own; 'exit' follows it.
    this.#worker.on('error', () => undefined)
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        const wasOver = this.#isOver
        this.#finish('THREAD_DIED')
        if (!wasOver) events.onDeath()
        resolve()
      })
    })
  }

  /** Resolves in `limit` milliseconds at the latest; THREAD_HUNG then: the thread is still in the module. */
  ask<Name extends Question>(
    op: Name,
    ask: Questions[Name]['ask'],
    limit: number,
  ): Promise<Outcome<Questions[Name]['answer']>> {
    if (this.#isOver) return Promise.resolve({ ok: false, reason: 'THREAD_DIED' })
    const number = this.#next++
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#answer(number, { ok: false, reason: 'THREAD_HUNG' })
      }, limit)
      this.#waiting.set(number, (outcome) => {
        clearTimeout(timer)
        resolve(outcome as Outcome<Questions[Name]['answer']>)
      })
      this.#post({ number, op, ask } as ThreadRequest)
    })
  }

  sign(request: Extract<ThreadRequest, { op: 'sign' }>): void {
    this.#post(request)
  }

  /**
   * Ends it. One that is inside the module ends when the module lets it go, and not before: the promise resolves then.
   */
  end(reason: Reason = 'THREAD_DIED'): Promise<void> {
    this.#finish(reason)
    void this.#worker.terminate()
    return this.#ended
  }

  #post(request: ThreadRequest): void {
    if (!this.#isOver) this.#worker.postMessage(request)
  }

  #answer(number: number, outcome: Outcome<unknown>): void {
    const resolve = this.#waiting.get(number)
    this.#waiting.delete(number)
    resolve?.(outcome)
  }

  #finish(reason: Reason): void {
    this.#isOver = true
    for (const number of [...this.#waiting.keys()]) this.#answer(number, { ok: false, reason })
  }
}
