import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { storeError } from '../errors.ts'

/** What the driver needs to connect, without a secret: the password is read when it is asked for. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly ssl: ConnectionOptions | false
  readonly password: (() => string) | undefined
}

const OPTIONS = new Set(['host', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey'])
const LOCAL = new Set(['localhost', '127.0.0.1', '[::1]', ''])

/**
 * Reads `postgresql://user@host:port/database?sslmode=…&sslrootcert=…&sslcert=…&sslkey=…&host=/socket/folder`. Over the
 * network TLS with the server's name is the default, and `disable` must be said; modes that encrypt without verifying
 * are refused.
 * @throws STORE_OPTION_INVALID, STORE_URL_INVALID
 */
export function parseTarget(url: URL, passwordFile: string | undefined): Target {
  const foreign = [...url.searchParams.keys()].find((name) => !OPTIONS.has(name))
  if (foreign !== undefined) throw storeError('STORE_OPTION_INVALID', { details: { option: foreign } })
  const database = decodeURIComponent(url.pathname.slice(1))
  if (database === '' || url.username === '') throw storeError('STORE_URL_INVALID')
  const folder = url.searchParams.get('host')
  return {
    host: folder ?? (url.hostname === '' ? 'localhost' : url.hostname.replace(/^\[|\]$/g, '')),
    port: url.port === '' ? 5432 : Number(url.port),
    user: decodeURIComponent(url.username),
    database,
    ssl: folder === null ? tlsOf(url) : false,
    password: passwordFile === undefined ? undefined : () => readPassword(passwordFile),
  }
}

function tlsOf(url: URL): ConnectionOptions | false {
  const mode = url.searchParams.get('sslmode') ?? (LOCAL.has(url.hostname) ? 'disable' : 'verify-full')
  if (mode === 'disable') return false
  if (mode !== 'verify-full' && mode !== 'verify-ca') {
    throw storeError('STORE_OPTION_INVALID', { details: { option: 'sslmode' } })
  }
  const options: ConnectionOptions = { rejectUnauthorized: true, minVersion: 'TLSv1.2' }
  for (const [name, option] of [
    ['sslrootcert', 'ca'],
    ['sslcert', 'cert'],
    ['sslkey', 'key'],
  ] as const) {
    const path = url.searchParams.get(name)
    if (path !== null) options[option] = readFile(path, name)
  }
  // The chain is verified all the same; only the name is not compared.
  if (mode === 'verify-ca') options.checkServerIdentity = () => undefined
  return options
}

function readPassword(path: string): string {
  return readFile(path, 'passwordFile').replace(/\r?\n$/, '')
}

function readFile(path: string, option: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw storeError('STORE_OPTION_INVALID', { details: { option, path }, cause })
  }
}
