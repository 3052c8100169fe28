import { storeError } from '../errors.ts'
import { pending, type AppliedMigration, type Migration } from '../migrations.ts'
import type { Client } from './connection.ts'

/** The key that Prisma's own migration engine takes. */
const MIGRATION_LOCK = 72707369

const HISTORY = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  id VARCHAR(36) PRIMARY KEY NOT NULL,
  checksum VARCHAR(64) NOT NULL,
  finished_at TIMESTAMPTZ,
  migration_name VARCHAR(255) NOT NULL,
  logs TEXT,
  rolled_back_at TIMESTAMPTZ,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  applied_steps_count INTEGER NOT NULL DEFAULT 0
)`

const APPLIED = `SELECT migration_name AS name, checksum FROM "_prisma_migrations" WHERE rolled_back_at IS NULL`

const RECORD = `INSERT INTO "_prisma_migrations"
  (id, checksum, finished_at, migration_name, started_at, applied_steps_count) VALUES ($1, $2, now(), $3, now(), 1)`

export interface MigrationRun {
  readonly migrations: readonly Migration[]
  /** Whether an empty database may become ours. */
  readonly missing: 'create' | 'refuse'
  newUuid(): string
}

/**
 * Applies what is missing, as `prisma migrate deploy` would and with the same history. Lock and unlock are on this one
 * connection; two servers that start together do it one after the other.
 * @throws STORE_NOT_FOUND, STORE_MIGRATION_EDITED, STORE_MIGRATION_UNKNOWN, STORE_MIGRATION_FAILED
 */
export async function migrate(client: Client, run: MigrationRun): Promise<void> {
  await client.query(
    `SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock(${String(MIGRATION_LOCK)})`,
  )
  try {
    const { rows } = await client.query<{ there: boolean }>(
      `SELECT to_regclass('"_prisma_migrations"') IS NOT NULL AS there`,
    )
    if (rows[0]?.there !== true && run.missing === 'refuse') throw storeError('STORE_NOT_FOUND')
    await client.query(HISTORY)
    const applied = await client.query<AppliedMigration>(APPLIED)
    for (const migration of pending(run.migrations, applied.rows)) await apply(client, migration, run.newUuid())
  } finally {
    await client.query(`SELECT pg_advisory_unlock(${String(MIGRATION_LOCK)})`)
  }
}

async function apply(client: Client, { name, sql, checksum }: Migration, id: string): Promise<void> {
  try {
    await client.query('BEGIN')
    await client.query(sql)
    await client.query(RECORD, [id, checksum, name])
    await client.query('COMMIT')
  } catch (cause) {
    await client.query('ROLLBACK')
    throw storeError('STORE_MIGRATION_FAILED', { details: { migration: name }, cause })
  }
}
