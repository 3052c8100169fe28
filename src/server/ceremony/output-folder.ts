import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { CeremonyFiles, TranscriptSink } from '#flows/ceremony/ports.ts'
import { serverError } from '../errors.ts'

export const TRANSCRIPT_FILE = 'transcript.jsonl'
const PARTIAL = '.partial'

/**
 * The folder of one ceremony. It is made by the ceremony and belongs to it: whoever finds `transcript.jsonl.partial` in
 * it knows that the ceremony was cut off, and how far it came.
 */
export class OutputFolder implements CeremonyFiles, TranscriptSink {
  readonly #folder: string
  readonly #transcript: number

  private constructor(folder: string) {
    this.#folder = folder
    this.#transcript = openSync(join(folder, TRANSCRIPT_FILE + PARTIAL), 'wx', 0o644)
  }

  /** @throws CEREMONY_UNFINISHED, CEREMONY_OUTPUT_EXISTS */
  static check(folder: string): void {
    if (existsSync(join(folder, TRANSCRIPT_FILE + PARTIAL))) {
      throw serverError('CEREMONY_UNFINISHED', { details: { transcript: join(folder, TRANSCRIPT_FILE + PARTIAL) } })
    }
    if (existsSync(folder)) throw serverError('CEREMONY_OUTPUT_EXISTS', { details: { output: folder } })
  }

  /** @throws as `check` */
  static make(folder: string): OutputFolder {
    OutputFolder.check(folder)
    mkdirSync(dirname(folder), { recursive: true })
    mkdirSync(folder, { mode: 0o755 })
    syncFolder(dirname(folder))
    return new OutputFolder(folder)
  }

  append(line: string): Promise<void> {
    writeFileSync(this.#transcript, `${line}\n`)
    fsyncSync(this.#transcript)
    return Promise.resolve()
  }

  write(name: string, contents: string): Promise<void> {
    const file = openSync(join(this.#folder, name), 'wx', 0o644)
    try {
      writeFileSync(file, contents)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    return Promise.resolve()
  }

  /** The transcript has its end: from now on it has its name. */
  finish(): string {
    closeSync(this.#transcript)
    const path = join(this.#folder, TRANSCRIPT_FILE)
    renameSync(path + PARTIAL, path)
    syncFolder(this.#folder)
    return path
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r')
  fsyncSync(handle)
  closeSync(handle)
}
