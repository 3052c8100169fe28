/** What a connection prepares once: a text, and a name short enough for PostgreSQL. */
export interface NamedText {
  readonly name: string
  readonly text: string
}

/** The statements of one kind of connection; each is spelled once and known by its key from then on. */
export class StatementNames {
  readonly #known = new Map<string, NamedText>()

  /** `key` says everything that the text depends on; without `spell` it is the text. */
  of(key: string, spell?: () => string): NamedText {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const made = { name: `writ_${String(this.#known.size)}`, text: spell === undefined ? key : spell() }
    this.#known.set(key, made)
    return made
  }
}
