/** Names under which a connection prepares statements: one per text, short enough for PostgreSQL. */
export class StatementNames {
  readonly #names = new Map<string, string>()

  of(sql: string): string {
    const known = this.#names.get(sql)
    if (known !== undefined) return known
    const name = `writ_${String(this.#names.size)}`
    this.#names.set(sql, name)
    return name
  }
}
