import { chmodSync, closeSync, existsSync, fsyncSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { storeError } from '../errors.ts'

export type Connection = Database.Database

/** How long another process may hold the write lock before we give up. */
const BUSY_TIMEOUT = 5_000

const FULL = 2

/**
 * Opens the file with every setting that durability needs, and reads each back: SQLite is FULL only where it is told
 * so on each connection, and reopening a WAL file gives NORMAL.
 * @throws STORE_NOT_FOUND unless the file is there or may be made; STORE_NOT_DURABLE; STORE_UNAVAILABLE
 */
export function connect(path: string, missing: 'create' | 'refuse'): Connection {
  prepareFile(path, missing)
  const connection = openFile(path)
  try {
    connection.pragma('journal_mode = WAL')
    connection.pragma('synchronous = FULL')
    connection.pragma('fullfsync = ON')
    connection.pragma('checkpoint_fullfsync = ON')
    connection.pragma('trusted_schema = OFF')
    connection.pragma('cache_size = -32768')
    connection.pragma('wal_autocheckpoint = 16000')
    connection.pragma('journal_size_limit = 134217728')
    assertDurable(connection)
    return connection
  } catch (error) {
    connection.close()
    throw asStoreError(error)
  }
}

/** @throws STORE_NOT_DURABLE unless a commit waits for the disk */
export function assertDurable(connection: Connection): void {
  const synchronous = connection.pragma('synchronous', { simple: true })
  const mode = connection.pragma('journal_mode', { simple: true })
  if (synchronous === FULL && mode === 'wal') return
  throw storeError('STORE_NOT_DURABLE', { details: { synchronous: String(synchronous), mode: String(mode) } })
}

/**
 * Holds a lock that ends with the process, however it ends: no other process, and nobody else in this one, can write
 * under the same replica name.
 * @throws STORE_REPLICA_TAKEN
 */
export function holdReplica(path: string, replica: string): Connection {
  const file = `${path}.${replica}.lock`
  prepareFile(file, 'create')
  const lock = openFile(file)
  try {
    lock.pragma('busy_timeout = 0')
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (cause) {
    lock.close()
    throw storeError('STORE_REPLICA_TAKEN', { details: { replica }, cause })
  }
}

function openFile(path: string): Connection {
  try {
    return new Database(path, { fileMustExist: true, timeout: BUSY_TIMEOUT })
  } catch (cause) {
    throw storeError('STORE_UNAVAILABLE', { details: { path }, cause })
  }
}

/** Only the owner may read the file; SQLite gives its WAL the same mode. */
function prepareFile(path: string, missing: 'create' | 'refuse'): void {
  try {
    if (existsSync(path)) {
      chmodSync(path, 0o600)
      return
    }
    if (missing === 'refuse') throw storeError('STORE_NOT_FOUND', { details: { path } })
    closeSync(openSync(path, 'ax', 0o600))
    syncFolder(dirname(path))
  } catch (error) {
    throw asStoreError(error)
  }
}

/** The name of a new file is on the disk only when its folder is. */
function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** Errors of ours stay; whatever a driver throws becomes STORE_UNAVAILABLE or STORE_CONFLICT. */
export function asStoreError(error: unknown): Error {
  if (error instanceof Error && error.name === 'WritError') return error
  const code = error instanceof Database.SqliteError ? error.code : 'UNKNOWN'
  const conflict = code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY'
  return storeError(conflict ? 'STORE_CONFLICT' : 'STORE_UNAVAILABLE', { details: { code }, cause: error })
}
