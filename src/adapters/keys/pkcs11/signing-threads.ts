import type { Bytes } from '#kernel/bytes.ts'
import type { Outcome, Reason, SignJob, SignKey, SignResult } from './protocol.ts'
import { SignerThread, type SignerOptions, type Waiting } from './signer-thread.ts'

export interface SigningOptions extends SignerOptions {
  readonly count: number
  /** A thread hangs in the module; the promise resolves when the module has let it go. */
  readonly onStuck: (ended: Promise<void>) => void
  readonly onAgain: () => void
}

/**
 * Jobs of one message: what the module does in so many milliseconds. A slow one is given them one by one, so that none
 * waits behind another for nothing.
 */
const MOST_TOGETHER = 32
const LONGEST_TOGETHER = 4
/** A thread has its next work before it asks for it, also where the event loop comes to it late. */
const BATCHES_AHEAD = 4
const SWEEP_EVERY = 100
const FIRST_RESPAWN_DELAY = 50
const MOST_RESPAWN_DELAY = 2_000

/** The threads that sign for one token, one session each, and the jobs that wait for them. */
export class SigningThreads {
  readonly #options: SigningOptions
  readonly #signers = new Set<SignerThread>()
  #queue: Waiting[] = []
  #nextJob = 0
  #isPaused = true
  #isScheduled = false
  #generation = 0
  /** Milliseconds of a signature, smoothed. */
  #pace = 1
  #losses = 0
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
    for (const signer of [...this.#signers]) void this.#prepare(signer)
    while (this.#signers.size < this.#options.count) this.#spawn()
  }

  /** Everything that waits is answered with `reason`. */
  refuseWaiting(reason: Reason): void {
    const waiting = this.#queue
    this.#queue = []
    for (const { resolve } of waiting) resolve({ ok: false, reason })
  }

  /** Resolves once no thread is in the module; those that hang are given up on meanwhile. */
  async drain(): Promise<void> {
    while ([...this.#signers].some(({ isBusy }) => isBusy)) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      this.#sweep()
    }
  }

  async close(): Promise<void> {
    this.pause()
    this.refuseWaiting('CLOSED')
    await this.drain()
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    this.#sweeper = null
    const closed = [...this.#signers].map((signer) => signer.close())
    this.#signers.clear()
    await Promise.all(closed)
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
    const most = Math.max(1, Math.min(MOST_TOGETHER, Math.floor(LONGEST_TOGETHER / this.#pace)))
    for (let ahead = 0; ahead < BATCHES_AHEAD; ahead++) {
      const share = Math.min(most, Math.ceil(this.#queue.length / this.#options.count))
      for (const signer of this.#signers) {
        if (this.#isPaused || this.#queue.length === 0) return
        if (signer.isReady && signer.batches <= ahead) this.#give(signer, this.#queue.splice(0, share))
      }
    }
  }

  #give(signer: SignerThread, work: readonly Waiting[]): void {
    if (signer.jobs.size === 0) signer.heard = performance.now()
    const jobs = work.map((waiting): SignJob => {
      const job = this.#nextJob++
      signer.jobs.set(job, waiting)
      return { job, key: waiting.key, input: waiting.input }
    })
    signer.give(jobs, this.#generation)
  }

  #spawn(): void {
    const signer: SignerThread = new SignerThread(this.#options, {
      onResults: (results) => {
        this.#take(signer, results)
      },
      onDeath: () => {
        this.#lose(signer, 'THREAD_DIED')
      },
    })
    this.#signers.add(signer)
    void this.#prepare(signer)
  }

  async #prepare(signer: SignerThread): Promise<void> {
    const failure = await signer.prepare()
    if (failure === null) {
      this.#schedule()
    } else if (this.#signers.has(signer)) {
      this.#lose(signer, failure)
      this.#options.onStuck(signer.thread.end(failure))
      // Whoever waits for it learns why, and the ladder begins.
      if (![...this.#signers].some(({ isReady }) => isReady)) this.refuseWaiting(failure)
    }
  }

  #take(signer: SignerThread, results: readonly SignResult[]): void {
    if (results.length > 0) {
      this.#pace = 0.8 * this.#pace + 0.2 * ((performance.now() - signer.heard) / results.length)
    }
    this.#losses = 0
    for (const { job, outcome, again } of results) {
      const waiting = signer.jobs.get(job)
      signer.jobs.delete(job)
      if (again) this.#options.onAgain()
      waiting?.resolve(outcome)
    }
    this.#schedule()
  }

  /** Another one takes its place, the later the more were lost in a row. */
  #lose(signer: SignerThread, reason: Reason): void {
    this.#signers.delete(signer)
    signer.refuse(reason)
    const delay = Math.min(MOST_RESPAWN_DELAY, FIRST_RESPAWN_DELAY * 2 ** this.#losses++)
    setTimeout(() => {
      const isWanted = this.#sweeper !== null && !this.#isPaused && this.#signers.size < this.#options.count
      if (isWanted) this.#spawn()
    }, delay).unref()
  }

  /** Gives up on what takes longer than it may. */
  #sweep(): void {
    const { limit, onStuck } = this.#options
    const now = performance.now()
    for (const signer of [...this.#signers]) {
      if (signer.jobs.size === 0 || now - signer.heard <= limit) continue
      this.#lose(signer, 'THREAD_HUNG')
      onStuck(signer.thread.end('THREAD_HUNG'))
    }
    const [oldest] = this.#queue
    if (oldest !== undefined && now - oldest.since > 2 * limit) this.refuseWaiting('TOO_LATE')
  }
}
