import type { Bytes } from './bytes.ts'
import { kernelError } from './errors.ts'
import type { Instant } from './instant.ts'
import type { Random } from './random.ts'

/** Prefix of each kind of id; the rest is a UUIDv7 (RFC 9562 section 5.7) in lower-case base32. */
export const ID_PREFIXES = {
  agent: 'agt',
  task: 'task',
  token: 'tok',
  approval: 'apr',
  event: 'evt',
  request: 'req',
  node: 'nod',
  resource: 'res',
  principal: 'prn',
  joinToken: 'jt',
  authority: 'aut',
  lineage: 'lin',
  session: 'ses',
  cutoff: 'cut',
  stream: 'str',
} as const

export type IdKind = keyof typeof ID_PREFIXES

/** Crockford's alphabet without i, l, o and u; sorts as the bytes do. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

function base32(bytes: Bytes): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = (value << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += ALPHABET[(value >>> bits) & 31] ?? ''
      value &= (1 << bits) - 1
    }
  }
  return bits > 0 ? text + (ALPHABET[(value << (5 - bits)) & 31] ?? '') : text
}

/** A new id such as `task_06bq…`: later ids sort after earlier ones, to the millisecond. */
export function newId(kind: IdKind, now: Instant, random: Random): string {
  const uuid = new Uint8Array(16)
  uuid.set(random.bytes(10), 6)
  for (let index = 5, rest: number = now; index >= 0; index--) {
    uuid[index] = rest % 256
    rest = Math.floor(rest / 256)
  }
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x70
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80
  return `${ID_PREFIXES[kind]}_${base32(uuid)}`
}

/** The name of one running copy of an agent: `i-` and 80 random bits. It is the last segment of its SPIFFE ID. */
export function newInstanceId(random: Random): string {
  return `i-${base32(random.bytes(10))}`
}

const BODY = /^[0-9a-hjkmnp-tv-z]{26}$/

/** @throws INVALID_ID unless `text` is an id of this kind */
export function parseId(kind: IdKind, text: string): string {
  const prefix = `${ID_PREFIXES[kind]}_`
  if (!text.startsWith(prefix) || !BODY.test(text.slice(prefix.length))) throw kernelError('INVALID_ID')
  return text
}
