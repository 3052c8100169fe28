import { ModuleThread } from './module-thread.ts'
import type { Outcome, Question, Questions, Reason } from './protocol.ts'

/** Somebody who uses a token of the module. */
export interface ModuleUser {
  /** Resolves once nothing of it is inside the module; it sends nothing there until `rebuilt`. */
  leave(): Promise<void>
  /** The module was initialized anew: every session and handle of before is dead. */
  rebuilt(): void
}

type Asked<Name extends Question> = Outcome<Questions[Name]['answer']>

const OWNERS = new Map<string, ModuleOwner>()
/** Milliseconds. */
const INITIALIZE_LIMIT = 30_000
const CLOSE_PATIENCE = 5_000
const REBUILD_PATIENCE = 1_000

/**
 * The one owner of C_Initialize and C_Finalize of a module in this process: Cryptoki is initialized for the process, not
 * for a thread, and finalizing it pulls the rug from under everybody.
 */
export class ModuleOwner {
  readonly path: string
  readonly #users = new Set<ModuleUser>()
  readonly #stuck = new Set<Promise<void>>()
  #keeper: ModuleThread | null = null
  #initialized: Promise<Asked<'initialize'>> | null = null
  #rebuilding: Promise<Asked<'initialize'>> | null = null
  #closing: Promise<void> | null = null

  private constructor(path: string) {
    this.path = path
  }

  /** The owner of the module at this path, which lives as long as somebody uses it. */
  static async join(path: string, user: ModuleUser): Promise<ModuleOwner> {
    const known = OWNERS.get(path)
    if (known !== undefined) await known.#closing
    const owner = OWNERS.get(path) ?? new ModuleOwner(path)
    OWNERS.set(path, owner)
    owner.#users.add(user)
    return owner
  }

  /** Asks in the thread that keeps the module; one that does not answer in time is replaced. */
  async ask<Name extends Question>(op: Name, ask: Questions[Name]['ask'], limit: number): Promise<Asked<Name>> {
    const keeper = (this.#keeper ??= this.#newKeeper())
    const outcome = await keeper.ask(op, ask, limit)
    if (!outcome.ok && outcome.reason === 'THREAD_HUNG' && this.#keeper === keeper) {
      this.#keeper = null
      this.stuck(keeper.end('THREAD_HUNG'))
    }
    return outcome
  }

  /** Initializes the module unless that was done. */
  async initialize(): Promise<Asked<'initialize'>> {
    this.#initialized ??= this.ask('initialize', {}, INITIALIZE_LIMIT)
    const outcome = await this.#initialized
    if (!outcome.ok) this.#initialized = null
    return outcome
  }

  /**
   * Finalizes and initializes, for everybody who uses it, while nobody is inside. Two who ask at once get one.
   */
  rebuild(): Promise<Asked<'initialize'>> {
    this.#rebuilding ??= this.#rebuild().finally(() => {
      this.#rebuilding = null
    })
    return this.#rebuilding
  }

  /** A thread hangs in the module until the promise resolves; finalizing under it would be undefined. */
  stuck(ended: Promise<void>): void {
    this.#stuck.add(ended)
    void ended.then(() => this.#stuck.delete(ended))
  }

  /** The last one who leaves finalizes. */
  async release(user: ModuleUser): Promise<void> {
    this.#users.delete(user)
    if (this.#users.size > 0) return
    this.#closing ??= this.#close()
    await this.#closing
  }

  async #close(): Promise<void> {
    await within(CLOSE_PATIENCE, Promise.all(this.#stuck))
    // Also when initializing failed: the module may be initialized all the same.
    if (this.#stuck.size === 0) await this.ask('finalize', {}, INITIALIZE_LIMIT)
    const keeper = this.#keeper
    this.#keeper = null
    OWNERS.delete(this.path)
    if (keeper !== null && this.#stuck.size === 0) await keeper.end()
    else void keeper?.end()
  }

  async #rebuild(): Promise<Asked<'initialize'>> {
    await Promise.all([...this.#users].map((user) => user.leave()))
    // One that was given up on may be on its way out.
    await within(REBUILD_PATIENCE, Promise.all(this.#stuck))
    if (this.#stuck.size > 0) return failed('THREAD_HUNG')
    // A module that has lost its other half may say that it cannot be finalized, and be so all the same.
    await this.ask('finalize', {}, INITIALIZE_LIMIT)
    this.#initialized = null
    const outcome = await this.initialize()
    for (const user of this.#users) user.rebuilt()
    return outcome
  }

  #newKeeper(): ModuleThread {
    const keeper: ModuleThread = new ModuleThread(this.path, {
      onResults: () => undefined,
      onDeath: () => {
        if (this.#keeper === keeper) this.#keeper = null
      },
    })
    return keeper
  }
}

function failed(reason: Reason): Asked<'initialize'> {
  return { ok: false, reason }
}

/** Resolves when the work is done, or after so many milliseconds. */
async function within(limit: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, limit)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}
