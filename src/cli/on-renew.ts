import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WritError } from '#kernel/errors.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import { cliError } from './errors.ts'

const RETRY_EVERY: Milliseconds = 10 * SECOND
const LONGEST_RUN: Milliseconds = 60 * SECOND
const SHELL_SYNTAX = /["'\\$`|;&<>]/

/** A program and its arguments, separated by blanks. There is no shell, so there is no quoting. @throws USAGE */
export function parseCommand(text: string): readonly [string, ...string[]] {
  const [program = '', ...args] = text.trim().split(/\s+/)
  if (program === '' || SHELL_SYNTAX.test(text)) {
    throw cliError('USAGE', { details: { on_renew: 'words without quotes or shell syntax; put more into a script' } })
  }
  return [program, ...args]
}

/** The command that is run after each renewal: never twice at once, and again until it has succeeded. */
export class OnRenew {
  readonly #command: readonly [string, ...string[]]
  readonly #complained: (error: WritError) => void
  readonly #closed = new AbortController()
  #wanted = 0
  #running: Promise<void> | null = null

  constructor(command: readonly [string, ...string[]], complained: (error: WritError) => void) {
    this.#command = command
    this.#complained = complained
  }

  trigger(): void {
    this.#wanted += 1
    this.#running ??= this.#run()
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    for (let done = 0; done < this.#wanted && !this.#closed.signal.aborted;) {
      const wanted = this.#wanted
      const failure = await this.#once()
      if (failure === null) done = wanted
      else await this.#waitAfter(failure)
    }
    // In the same step as the last look at what is wanted, or a trigger in between would be lost.
    this.#running = null
  }

  async #waitAfter(why: string): Promise<void> {
    this.#complained(cliError('ON_RENEW_FAILED', { details: { program: this.#command[0], why } }))
    try {
      await sleep(RETRY_EVERY, undefined, { signal: this.#closed.signal })
    } catch {
      return
    }
  }

  /** Why it failed; null when it did not. Its output goes to standard error: standard output is ours. */
  #once(): Promise<string | null> {
    const [program, ...args] = this.#command
    const child = spawn(program, args, { stdio: ['ignore', 2, 2], timeout: LONGEST_RUN })
    return new Promise((resolve) => {
      child.once('error', (cause) => {
        resolve('code' in cause ? String(cause.code) : 'not started')
      })
      child.once('exit', (code, signal) => {
        resolve(code === 0 ? null : `exit ${String(code ?? signal)}`)
      })
    })
  }
}
