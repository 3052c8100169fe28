/** Who stands outside and remembers what a process said before it was killed. */
export interface Witness {
  /** Somebody is about to ask for it: `step <step> <authority or kind>`, `revocation <handle> <value> <serial>`. */
  attempt(what: string): void
  /**
   * What somebody has in their hands once they were answered: `certificate <serial>`, `token <digest>`, what was
   * attempted, or `crl <id> <number>` for a CRL that is served from now on.
   */
  acknowledge(what: string): void
}

export const NOBODY: Witness = { attempt: () => undefined, acknowledge: () => undefined }

/** What was said in all lives of a server. */
export interface Testimony {
  readonly attempted: readonly string[]
  readonly acknowledged: readonly string[]
}

/** The words after the first one, of what begins with it. */
export function wordsOf(said: readonly string[], first: string): readonly (readonly string[])[] {
  return said.map((what) => what.split(' ')).flatMap(([word, ...rest]) => (word === first ? [rest] : []))
}
