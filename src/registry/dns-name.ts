import { registryError } from './errors.ts'

const MAX_NAME = 253
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const ALL_DIGITS = /^[0-9]+$/

/** RFC 1123 section 2.1, lower case; no wildcard, no trailing dot, and a last label that cannot be read as an address. */
export function isDnsName(text: string): boolean {
  if (text.length === 0 || text.length > MAX_NAME) return false
  const labels = text.split('.')
  return labels.every((label) => LABEL.test(label)) && !ALL_DIGITS.test(labels.at(-1) ?? '')
}

const MAX_NAMES = 16

/**
 * The DNS names that an agent's certificates may carry. Whoever could have one of the server's own names could stand
 * in its place.
 * @throws AGENT_DNS_NAME_INVALID, AGENT_DNS_NAME_RESERVED
 */
export function parseDnsNames(names: readonly string[], serverNames: readonly string[]): readonly string[] {
  if (names.length > MAX_NAMES || new Set(names).size !== names.length) throw registryError('AGENT_DNS_NAME_INVALID')
  const reserved = new Set(serverNames.map((name) => name.toLowerCase()))
  for (const name of names) {
    if (!isDnsName(name)) throw registryError('AGENT_DNS_NAME_INVALID')
    if (reserved.has(name)) throw registryError('AGENT_DNS_NAME_RESERVED', { details: { name } })
  }
  return [...names]
}
