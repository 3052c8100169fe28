import pg from 'pg'
import { isWritError } from '#kernel/errors.ts'
import { storeError } from '../errors.ts'
import { LostLate } from '../refusal.ts'
import type { Target } from './address.ts'

export type Client = pg.Client

const { INT8 } = pg.types.builtins
const CONNECT_TIMEOUT = 5_000
/** The server gives up first, so that our own limit is met only when the network is gone. */
const STATEMENT_TIMEOUT = 10_000
const QUERY_TIMEOUT = 15_000

const types: pg.CustomTypesConfig = {
  getTypeParser: (id, format): unknown => (id === INT8 ? Number : pg.types.getTypeParser(id, format)),
}

export function clientConfig(target: Target, applicationName: string): pg.ClientConfig {
  const { host, port, user, database, ssl, password } = target
  return {
    host,
    port,
    user,
    database,
    ssl,
    // Left out, the driver would look for one in the environment and in the home folder.
    password: password ?? (() => ''),
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    query_timeout: QUERY_TIMEOUT,
    keepAlive: true,
    types,
  }
}

/**
 * Plans are made once per statement, often while the tables are still empty: a sequential scan or a hash join that was
 * right then must not be kept for a million rows.
 */
const SETTINGS = `SELECT
  set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
  set_config('statement_timeout', '${String(STATEMENT_TIMEOUT)}', false),
  set_config('lock_timeout', '5000', false),
  set_config('idle_in_transaction_session_timeout', '10000', false),
  set_config('default_transaction_isolation', 'read committed', false),
  set_config('enable_seqscan', 'off', false),
  set_config('enable_hashjoin', 'off', false),
  set_config('enable_mergejoin', 'off', false),
  set_config('jit', 'off', false)`

const DURABILITY = `SELECT current_setting('synchronous_commit') AS synchronous_commit,
  current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
  current_setting('server_encoding') AS server_encoding, pg_is_in_recovery() AS standby`

interface Durability {
  readonly synchronous_commit: string
  readonly fsync: string
  readonly full_page_writes: string
  readonly server_encoding: string
  readonly standby: boolean
}

/**
 * Makes a new connection ours, and refuses it when what it acknowledges could be lost.
 * @throws STORE_NOT_DURABLE, STORE_OPTION_INVALID
 */
export async function prepareSession(client: pg.ClientBase): Promise<void> {
  await client.query(SETTINGS)
  const { rows } = await client.query<Durability>(DURABILITY)
  const [row] = rows
  if (row === undefined) throw storeError('STORE_UNAVAILABLE')
  const { synchronous_commit, fsync, full_page_writes, server_encoding, standby } = row
  if (server_encoding !== 'UTF8') throw storeError('STORE_OPTION_INVALID', { details: { server_encoding } })
  const waits = synchronous_commit === 'on' || synchronous_commit === 'remote_apply'
  if (waits && fsync === 'on' && full_page_writes === 'on' && !standby) return
  throw storeError('STORE_NOT_DURABLE', { details: { synchronous_commit, fsync, full_page_writes, standby } })
}

/**
 * One connection of our own, ready. What is asked before the last answer is there is sent at once, and answered in the
 * order in which it was asked.
 * @throws STORE_UNAVAILABLE, STORE_NOT_DURABLE
 */
export async function connect(target: Target, applicationName: string): Promise<Client> {
  const client = new pg.Client({ ...clientConfig(target, applicationName), pipeline: true })
  // Whoever uses the connection meets the error; without a listener it would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
    await prepareSession(client)
    return client
  } catch (error) {
    await client.end().catch(() => undefined)
    throw asStoreError(error)
  }
}

export function sqlState(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null
}

/** Timeouts, shutdowns and lost connections: nothing is wrong with any one commit of the batch. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof LostLate) return false
  if (isWritError(error)) return error.code === 'STORE_UNAVAILABLE'
  const state = sqlState(error)
  return state === null || /^(08|53|57|58|55P03)/.test(state)
}

const UNIQUE_VIOLATION = '23505'

/** Errors of ours stay; whatever the driver throws becomes STORE_UNAVAILABLE or STORE_CONFLICT, without row values. */
export function asStoreError(error: unknown): Error {
  if (isWritError(error)) return error
  const state = sqlState(error)
  const code = state === UNIQUE_VIOLATION ? 'STORE_CONFLICT' : 'STORE_UNAVAILABLE'
  return storeError(code, { details: { sqlState: state ?? 'none' }, cause: error })
}
