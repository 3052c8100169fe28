import { SoftwareKeys } from '#adapters/keys/software/index.ts'
import type { CeremonyKeys } from '#flows/ceremony/ports.ts'
import { isWritError } from '#kernel/errors.ts'
import type { JsonObject } from '#kernel/json.ts'

/** A folder of key files. Whoever can read the medium has the key; the transcript says so. */
export class SoftwareHome extends SoftwareKeys implements CeremonyKeys {
  readonly #folder: string

  constructor(folder: string) {
    super(folder)
    this.#folder = folder
  }

  referenceOf(name: string): string {
    return `software:${name}`
  }

  async holds(name: string): Promise<boolean> {
    try {
      await this.open(this.referenceOf(name))
      return true
    } catch (error) {
      if (isWritError(error, 'KEY_NOT_FOUND')) return false
      throw error
    }
  }

  describe(): Promise<JsonObject> {
    return Promise.resolve({ kind: 'software', folder: this.#folder })
  }
}
