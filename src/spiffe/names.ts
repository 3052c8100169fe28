import { spiffeError } from './errors.ts'

/** SPIFFE-ID section 2.3. Every legal character is one byte, so lengths of checked text are lengths in bytes. */
export const MAX_TRUST_DOMAIN_BYTES = 255
export const MAX_SPIFFE_ID_BYTES = 2048

const TRUST_DOMAIN_CHARACTERS = tableOf('abcdefghijklmnopqrstuvwxyz0123456789.-_')
const SEGMENT_CHARACTERS = tableOf('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_')

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(128)
  for (let index = 0; index < characters.length; index++) table[characters.charCodeAt(index)] = 1
  return table
}

function onlyHas(text: string, table: Uint8Array): boolean {
  for (let index = 0; index < text.length; index++) {
    if (table[text.charCodeAt(index)] !== 1) return false
  }
  return true
}

/**
 * SPIFFE-ID section 2.1; a name is never treated differently for being a DNS name or an address.
 * @throws TRUST_DOMAIN_EMPTY, TRUST_DOMAIN_TOO_LONG, TRUST_DOMAIN_CHARACTER
 */
export function checkTrustDomainName(name: string): void {
  if (name.length === 0) throw spiffeError('TRUST_DOMAIN_EMPTY')
  if (name.length > MAX_TRUST_DOMAIN_BYTES) throw spiffeError('TRUST_DOMAIN_TOO_LONG')
  if (!onlyHas(name, TRUST_DOMAIN_CHARACTERS)) throw spiffeError('TRUST_DOMAIN_CHARACTER')
}

/**
 * One path segment, SPIFFE-ID section 2.2: `...` and `.path` are legal.
 * @throws SPIFFE_ID_EMPTY_SEGMENT, SPIFFE_ID_DOT_SEGMENT, SPIFFE_ID_PATH_CHARACTER
 */
export function checkSegment(segment: string): void {
  if (segment.length === 0) throw spiffeError('SPIFFE_ID_EMPTY_SEGMENT')
  if (segment === '.' || segment === '..') throw spiffeError('SPIFFE_ID_DOT_SEGMENT')
  if (!onlyHas(segment, SEGMENT_CHARACTERS)) throw spiffeError('SPIFFE_ID_PATH_CHARACTER')
}
