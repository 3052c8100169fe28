import type { ResourceRecord } from '#registry/index.ts'
import type { Reader } from '../ports.ts'
import { activeResources } from './audiences.ts'

/**
 * The active resources as they are when asked. All streams look at once when something happens: whoever asks before the
 * question is sent comes along, and nobody gets an answer that is older than his question.
 */
export class SharedResources {
  readonly #reader: Reader
  #boarding: Promise<readonly ResourceRecord[]> | null = null

  constructor(reader: Reader) {
    this.#reader = reader
  }

  read(): Promise<readonly ResourceRecord[]> {
    this.#boarding ??= this.#depart()
    return this.#boarding
  }

  async #depart(): Promise<readonly ResourceRecord[]> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#boarding = null
    return activeResources(this.#reader)
  }
}
