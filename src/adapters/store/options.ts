import type { MakeLeaf } from '#audit/index.ts'
import type { Clock } from '#kernel/clock.ts'
import type { Random } from '#kernel/random.ts'
import { storeError } from './errors.ts'

export interface StoreOptions {
  /** Names the leaves of this process; no two processes may use the same one at a time. */
  readonly replica: string
  readonly clock: Clock
  readonly random: Random
  /** `leafMaker(random)` of the audit room. */
  readonly makeLeaf: MakeLeaf
  /** Makes the database where there is none. Without it, a missing one is an error. */
  readonly create?: boolean
  /** PostgreSQL: the file that holds the password; the address must not. */
  readonly passwordFile?: string
  /** Where the migrations of each database are; only tests say so. */
  readonly migrations?: URL
}

export type StoreAddress =
  { readonly kind: 'sqlite'; readonly path: string } | { readonly kind: 'postgresql'; readonly url: URL }

const REPLICA = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

/** @throws STORE_URL_INVALID, STORE_OPTION_INVALID for a password in the address or a malformed replica name */
export function parseAddress(text: string, options: StoreOptions): StoreAddress {
  if (!REPLICA.test(options.replica)) throw storeError('STORE_OPTION_INVALID', { details: { option: 'replica' } })
  if (text.startsWith('file:')) return { kind: 'sqlite', path: parsePath(text.slice('file:'.length)) }
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !['postgresql:', 'postgres:'].includes(url.protocol)) throw storeError('STORE_URL_INVALID')
  if (url.password !== '') throw storeError('STORE_OPTION_INVALID', { details: { option: 'password' } })
  return { kind: 'postgresql', url }
}

function parsePath(text: string): string {
  const path = text.startsWith('//') ? text.slice(2) : text
  if (path === '' || path === ':memory:' || /[?#\0]/.test(path)) throw storeError('STORE_URL_INVALID')
  return path
}
