import { registryError } from './errors.ts'

const MAX_SELECTORS = 32
const MAX_SELECTOR = 512
/** Attestor, provider, fact; the fact may hold further colons. */
const SELECTOR = /^([a-z][a-z0-9_]{0,31}):([a-z0-9][a-z0-9._-]{0,62}):[\x21-\x7e]+$/

/** The attestor and the provider that a selector begins with; null when it is not a selector. */
export function evidenceOf(selector: string): string | null {
  const match = selector.length <= MAX_SELECTOR ? SELECTOR.exec(selector) : null
  return match === null ? null : `${match[1] ?? ''}:${match[2] ?? ''}`
}

/**
 * The selectors of an agent: different, and all about one evidence, or nothing could ever show all of them.
 * @throws AGENT_SELECTOR_INVALID, AGENT_SELECTORS_MIXED
 */
export function parseSelectors(selectors: readonly string[]): readonly string[] {
  if (selectors.length > MAX_SELECTORS || new Set(selectors).size !== selectors.length) {
    throw registryError('AGENT_SELECTOR_INVALID')
  }
  const evidences = new Set(selectors.map(evidenceOf))
  if (evidences.has(null)) throw registryError('AGENT_SELECTOR_INVALID')
  if (evidences.size > 1) throw registryError('AGENT_SELECTORS_MIXED')
  return [...selectors]
}

/** The attestor that facts are of; empty where there are none. */
export function attestorOf(selectors: readonly string[]): string {
  return (selectors[0] ?? '').split(':')[0] ?? ''
}
