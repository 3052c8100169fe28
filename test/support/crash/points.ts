import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Signer } from '#kernel/signer.ts'
import type { Journal, Keys } from '#flows/ports.ts'

/** Where a process is to be killed: at the nth call of the armed ports, before it or after it took effect. */
export interface CrashPoint {
  readonly call: number
  readonly when: 'before' | 'after'
}

/**
 * Counts the calls through the wrapped ports once it is armed, and kills the process with SIGKILL at one of them. No
 * handler runs, no buffer is flushed: what is not durable by then is gone.
 */
export class CrashPoints {
  readonly #point: CrashPoint | null
  #armed = false
  #calls = 0
  /** The ports in the order of their calls, so that a run that is not killed tells how many points there are. */
  readonly seen: string[] = []

  constructor(point: CrashPoint | null) {
    this.#point = point
  }

  /** Stories that run at once arm the same points; the first one starts the count. */
  arm(): void {
    this.#armed = true
  }

  async around<Value>(port: string, call: () => Promise<Value>): Promise<Value> {
    if (!this.#armed) return call()
    const number = this.#calls++
    this.seen.push(port)
    this.#die(port, number, 'before')
    const value = await call()
    this.#die(port, number, 'after')
    return value
  }

  #die(port: string, number: number, when: CrashPoint['when']): void {
    if (this.#point?.call !== number || this.#point.when !== when) return
    // Past every buffer: the parent counts what was hit.
    writeSync(1, `dying ${when} ${port}\n`)
    process.kill(process.pid, 'SIGKILL')
  }
}

export function crashingJournal(journal: Journal, points: CrashPoints): Journal {
  return { commit: (commit) => points.around(`commit:${commit.leaf.type}`, () => journal.commit(commit)) }
}

/** Writes down what is signed before the signature is handed on: the signer log that the store is held against. */
export class SignerLog {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a', 0o600)
  }

  append(message: Uint8Array): void {
    writeSync(this.#file, `${toHex(sha256(message))}\n`)
    fsyncSync(this.#file)
  }

  close(): void {
    closeSync(this.#file)
  }
}

export function crashingKeys(keys: Keys, points: CrashPoints, log: SignerLog): Keys {
  const wrap = (signer: Signer): Signer => ({
    algorithm: signer.algorithm,
    publicKey: signer.publicKey,
    sign: (message) =>
      points.around('sign', async () => {
        const signature = await signer.sign(message)
        log.append(message)
        return signature
      }),
  })
  return {
    generate: async (name, algorithm, kind) => {
      const made = await keys.generate(name, algorithm, kind)
      return { reference: made.reference, signer: wrap(made.signer) }
    },
    open: async (reference, expected) => wrap(await keys.open(reference, expected)),
  }
}
