import { utf8 } from '#kernel/bytes.ts'

/** As long as a selector of an agent can be. */
const MAX_SELECTOR = 512

/** `<attestor>:<provider>:<fact>`, each once. One too long is left out: no agent can ask for it. */
export function selectorsFrom(attestor: string, provider: string, facts: readonly string[]): readonly string[] {
  const selectors = facts.map((fact) => `${attestor}:${provider}:${fact}`)
  return [...new Set(selectors)].filter(({ length }) => length <= MAX_SELECTOR)
}

/** Characters that a selector cannot hold, and the percent sign, percent-encoded as UTF-8. */
export function escapeFact(text: string): string {
  return text.replaceAll(/[^\x21-\x24\x26-\x7e]+/g, (run) =>
    [...utf8(run)].map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}
