import {
  encodePkcs11Uri,
  parsePkcs11Uri,
  Pkcs11Keys,
  type KeyFacts,
  type TokenFacts,
} from '#adapters/keys/pkcs11/index.ts'
import type { CeremonyKeys } from '#flows/ceremony/ports.ts'
import { isWritError } from '#kernel/errors.ts'
import type { JsonObject } from '#kernel/json.ts'

export interface TokenSource {
  readonly module: string
  readonly uri: string
  /** Absolute paths, both. */
  readonly pinFile: string
}

/** A PKCS#11 token, which makes the key and never lets it out. */
export class TokenHome extends Pkcs11Keys implements CeremonyKeys {
  readonly #source: TokenSource

  /** @throws PKCS11_URI_… */
  constructor(source: TokenSource) {
    const { module, uri, pinFile } = source
    super({ name: 'ceremony', module, uri, pin: { path: pinFile, kind: 'file' }, workers: 1 })
    this.#source = source
  }

  referenceOf(name: string): string {
    return encodePkcs11Uri({ ...parsePkcs11Uri(this.#source.uri), object: name, type: 'private' })
  }

  /** Also one that could not be used, or of which there are two: the name is taken. */
  async holds(name: string): Promise<boolean> {
    try {
      await this.inspect(this.referenceOf(name))
      return true
    } catch (error) {
      if (isWritError(error, 'KEY_NOT_FOUND')) return false
      if (isWritError(error, 'KEY_AMBIGUOUS')) return true
      throw error
    }
  }

  async describe(reference: string): Promise<JsonObject> {
    const { token, key } = await this.inspect(reference)
    return { kind: 'pkcs11', module: this.#source.module, token: tokenFacts(token), key: keyFacts(key) }
  }
}

function tokenFacts(facts: TokenFacts): JsonObject {
  return {
    library: facts.library,
    library_manufacturer: facts.libraryManufacturer,
    library_version: facts.libraryVersion,
    token: facts.token,
    manufacturer: facts.manufacturer,
    model: facts.model,
    serial: facts.serial,
  }
}

function keyFacts(facts: KeyFacts): JsonObject {
  return {
    label: facts.label,
    id: facts.id,
    algorithm: facts.algorithm,
    sensitive: facts.sensitive,
    extractable: facts.extractable,
    always_sensitive: facts.alwaysSensitive,
    never_extractable: facts.neverExtractable,
    local: facts.local,
  }
}
