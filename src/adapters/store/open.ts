import { parseAddress, type StoreOptions } from './options.ts'
import { SqliteStore } from './sqlite/store.ts'
import type { Store } from './store.ts'

/**
 * Opens the database at `file:<path>` or `postgresql://…`, checks that what it acknowledges is durable, and applies
 * the migrations that it lacks.
 * @throws STORE_URL_INVALID, STORE_OPTION_INVALID, STORE_NOT_FOUND (unless `create`), STORE_NOT_DURABLE,
 * STORE_REPLICA_TAKEN, STORE_MIGRATION_EDITED, STORE_MIGRATION_UNKNOWN, STORE_MIGRATION_FAILED, STORE_UNAVAILABLE
 */
export async function openStore(address: string, options: StoreOptions): Promise<Store> {
  const parsed = parseAddress(address, options)
  if (parsed.kind === 'sqlite') return SqliteStore.open(parsed.path, options)
  // Nobody who embeds the database needs the driver of the other one.
  const { PostgresqlStore } = await import('./postgresql/store.ts')
  return PostgresqlStore.open(parsed.url, options)
}
