import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '#kernel/clock.ts'
import type { WritError } from '#kernel/errors.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import { cliError } from './errors.ts'

/** What a program is to notice of new files: nothing, a signal, or a start from the beginning. */
export type Mode = 'none' | 'signal' | 'restart'

export interface ProgramOptions {
  readonly command: readonly [string, ...string[]]
  readonly environment: NodeJS.ProcessEnv
  readonly mode: Mode
  readonly signal: NodeJS.Signals
  readonly clock: Clock
  /** Hears why the program is not started again. */
  readonly complained: (error: WritError) => void
}

interface Ending {
  readonly code: number
  readonly lived: Milliseconds
}

/** A program that lives longer has started well. */
const QUICK: Milliseconds = 10 * SECOND
const MOST_QUICK_DEATHS = 5
const FIRST_PAUSE: Milliseconds = SECOND / 2
/** What a program gets to end by itself before it is killed for a restart. */
const PATIENCE: Milliseconds = 10 * SECOND

/** Runs one program to its end, or, in mode `restart`, again whenever it fails or its files are new. */
export class Supervisor {
  readonly #options: ProgramOptions
  readonly #stop = new AbortController()
  #stoppedBy: NodeJS.Signals | null = null
  #child: ChildProcess | null = null
  #refreshing = false
  #quickDeaths = 0

  constructor(options: ProgramOptions) {
    this.#options = options
  }

  /** The exit code of the program; 128 and the number of the signal that ended it. @throws PROGRAM_NOT_STARTED */
  async run(): Promise<number> {
    for (;;) {
      const ending = await this.#runOnce()
      if (!this.#startsAgain(ending)) return ending.code
      await this.#pause()
      if (this.#stoppedBy !== null) return codeOfSignal(this.#stoppedBy)
    }
  }

  /** Tells the program, as its mode asks, that there are new files. */
  refresh(): void {
    if (this.#child === null || this.#options.mode === 'none') return
    if (this.#options.mode === 'signal') this.#child.kill(this.#options.signal)
    else this.#end(this.#child)
  }

  /** Hands a signal on; one that asks for an end is the last word: the program is not started again. */
  forward(signal: NodeJS.Signals): void {
    if (signal === 'SIGTERM' || signal === 'SIGINT') {
      this.#stoppedBy = signal
      this.#stop.abort()
    }
    this.#child?.kill(signal)
  }

  #end(child: ChildProcess): void {
    if (this.#refreshing) return
    this.#refreshing = true
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
    child.once('exit', () => {
      clearTimeout(timer)
    })
  }

  #runOnce(): Promise<Ending> {
    const { command, environment, clock } = this.#options
    const [program, ...args] = command
    const started = clock.monotonic()
    const child = spawn(program, args, { stdio: 'inherit', env: environment })
    this.#child = child
    return new Promise((resolve, reject) => {
      child.once('error', (cause) => {
        this.#child = null
        const why = 'code' in cause ? String(cause.code) : ''
        reject(cliError('PROGRAM_NOT_STARTED', { cause, details: { program, why } }))
      })
      child.once('exit', (code, signal) => {
        this.#child = null
        resolve({ code: code ?? codeOfSignal(signal ?? 'SIGKILL'), lived: clock.monotonic() - started })
      })
    })
  }

  #startsAgain({ code, lived }: Ending): boolean {
    if (this.#options.mode !== 'restart' || this.#stoppedBy !== null) return false
    if (this.#refreshing) {
      this.#refreshing = false
      this.#quickDeaths = 0
      return true
    }
    if (code === 0) return false
    this.#quickDeaths = lived < QUICK ? this.#quickDeaths + 1 : 1
    if (this.#quickDeaths < MOST_QUICK_DEATHS) return true
    this.#options.complained(
      cliError('PROGRAM_KEEPS_DYING', { details: { deaths: this.#quickDeaths, exit_code: code } }),
    )
    return false
  }

  /** Half a second after the first quick death, and twice as long after each further one. */
  async #pause(): Promise<void> {
    if (this.#quickDeaths === 0) return
    try {
      await sleep(FIRST_PAUSE * 2 ** (this.#quickDeaths - 1), undefined, { signal: this.#stop.signal })
    } catch {
      return
    }
  }
}

function codeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}
