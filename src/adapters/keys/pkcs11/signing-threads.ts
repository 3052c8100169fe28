import type { Bytes } from '#kernel/bytes.ts'
import { ModuleThread } from './module-thread.ts'
import type { Outcome, Reason, SignJob, SignKey, SignResult, TokenQuery } from './protocol.ts'

export interface SigningOptions {
  /** Path of the module. */
  readonly module: string
  readonly token: TokenQuery
  readonly count: number
  /** Milliseconds that one call may take. */
  readonly limit: number
  /** A thread hangs in the module; the promise resolves when the module has let it go. */
  readonly onStuck: (ended: Promise<void>) => void
  readonly onAgain: () => void
}

interface Waiting {
  readonly key: SignKey
  readonly input: Bytes
  readonly since: number
  readonly resolve: (outcome: Outcome<Bytes>) => void
}

/** A thread with the jobs that it was given. */
interface Signer {
  readonly thread: ModuleThread
  readonly jobs: Map<number, Waiting>
  batches: number
  /** When it was last heard of, or given work after a rest. */
  heard: number
}

/** Jobs of one message. A slow module is given them one by one, so that none waits behind another for nothing. */
const MOST_TOGETHER = 32
/** A thread has its next batch before it asks for it. */
const BATCHES_AHEAD = 2
const SLOW = 1
const SWEEP_EVERY = 100
const MOST_RESPAWN_DELAY = 2_000

/** The threads that sign for one token, one session each, and the jobs that wait for them. */
export class SigningThreads {
  readonly #options: SigningOptions
  readonly #signers = new Set<Signer>()
  #queue: Waiting[] = []
  #nextJob = 0
  #isPaused = true
  #isScheduled = false
  #generation = 0
  /** Milliseconds of a signature, smoothed. */
  #pace = SLOW
  #deaths = 0
  #sweeper: NodeJS.Timeout | null = null

  constructor(options: SigningOptions) {
    this.#options = options
  }

  /** Signatures asked for in one turn of the event loop go to a thread together. Always resolves. */
  run(key: SignKey, input: Bytes): Promise<Outcome<Bytes>> {
    return new Promise((resolve) => {
      this.#queue.push({ key, input, since: performance.now(), resolve })
      this.#schedule()
    })
  }

  /** Nothing more goes into the module until `resume`. */
  pause(): void {
    this.#isPaused = true
  }

  /** What the threads hold of an earlier generation, they throw away. */
  resume(generation: number): void {
    this.#generation = generation
    this.#isPaused = false
    this.#sweeper ??= setInterval(() => {
      this.#sweep()
    }, SWEEP_EVERY)
    while (this.#signers.size < this.#options.count) this.#spawn()
    this.#schedule()
  }

  /** Everything that waits is answered with `reason`. */
  refuseWaiting(reason: Reason): void {
    const waiting = this.#queue
    this.#queue = []
    for (const { resolve } of waiting) resolve({ ok: false, reason })
  }

  /** Resolves once no thread is at work; those that hang are given up on meanwhile. */
  async drain(): Promise<void> {
    while ([...this.#signers].some(({ jobs }) => jobs.size > 0)) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      this.#sweep()
    }
  }

  async close(): Promise<void> {
    this.pause()
    this.refuseWaiting('CLOSED')
    await this.drain()
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    const ended = [...this.#signers].map(({ thread }) => thread.end())
    this.#signers.clear()
    await Promise.all(ended)
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isPaused || this.#queue.length === 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#dispatch()
    })
  }

  #dispatch(): void {
    const most = this.#pace < SLOW ? MOST_TOGETHER : 1
    for (let ahead = 0; ahead < BATCHES_AHEAD; ahead++) {
      const share = Math.min(most, Math.ceil(this.#queue.length / this.#options.count))
      for (const signer of this.#signers) {
        if (this.#isPaused || this.#queue.length === 0) return
        if (signer.batches <= ahead) this.#give(signer, this.#queue.splice(0, share))
      }
    }
  }

  #give(signer: Signer, work: readonly Waiting[]): void {
    if (signer.jobs.size === 0) signer.heard = performance.now()
    const jobs = work.map((waiting): SignJob => {
      const job = this.#nextJob++
      signer.jobs.set(job, waiting)
      return { job, key: waiting.key, input: waiting.input }
    })
    signer.batches++
    signer.thread.sign({ op: 'sign', token: this.#options.token, generation: this.#generation, jobs })
  }

  #spawn(): void {
    const thread = new ModuleThread(this.#options.module, {
      onResults: (results, done) => {
        this.#take(signer, results, done)
      },
      onDeath: () => {
        this.#lose(signer, 'THREAD_DIED')
        const delay = Math.min(MOST_RESPAWN_DELAY, 50 * 2 ** this.#deaths++)
        setTimeout(() => {
          this.#replace()
        }, delay).unref()
      },
    })
    const signer: Signer = { thread, jobs: new Map(), batches: 0, heard: performance.now() }
    this.#signers.add(signer)
  }

  #replace(): void {
    if (this.#sweeper === null || this.#isPaused) return
    if (this.#signers.size < this.#options.count) this.#spawn()
    this.#schedule()
  }

  #take(signer: Signer, results: readonly SignResult[], done: boolean): void {
    const now = performance.now()
    if (results.length > 0) this.#pace = 0.8 * this.#pace + 0.2 * ((now - signer.heard) / results.length)
    signer.heard = now
    this.#deaths = 0
    if (done) signer.batches--
    for (const { job, outcome, again } of results) {
      const waiting = signer.jobs.get(job)
      signer.jobs.delete(job)
      if (again) this.#options.onAgain()
      waiting?.resolve(outcome)
    }
    this.#schedule()
  }

  #lose(signer: Signer, reason: Reason): void {
    this.#signers.delete(signer)
    for (const { resolve } of signer.jobs.values()) resolve({ ok: false, reason })
    signer.jobs.clear()
  }

  /** Gives up on what takes longer than it may. */
  #sweep(): void {
    const { limit, onStuck } = this.#options
    const now = performance.now()
    for (const signer of [...this.#signers]) {
      if (signer.jobs.size === 0 || now - signer.heard <= limit) continue
      this.#lose(signer, 'THREAD_HUNG')
      onStuck(signer.thread.end('THREAD_HUNG'))
      this.#replace()
    }
    const [oldest] = this.#queue
    if (oldest !== undefined && now - oldest.since > 2 * limit) this.refuseWaiting('TOO_LATE')
  }
}
