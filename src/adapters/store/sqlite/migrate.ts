import { storeError } from '../errors.ts'
import { pending, type AppliedMigration, type Migration } from '../migrations.ts'
import type { Connection } from './connection.ts'

const HISTORY = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" TEXT PRIMARY KEY NOT NULL,
  "checksum" TEXT NOT NULL,
  "finished_at" DATETIME,
  "migration_name" TEXT NOT NULL,
  "logs" TEXT,
  "rolled_back_at" DATETIME,
  "started_at" DATETIME NOT NULL DEFAULT current_timestamp,
  "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0
)`

const APPLIED = `SELECT "migration_name" AS name, "checksum" AS checksum FROM "_prisma_migrations"
  WHERE "rolled_back_at" IS NULL`

const RECORD = `INSERT INTO "_prisma_migrations"
  ("id", "checksum", "finished_at", "migration_name", "started_at", "applied_steps_count")
  VALUES (?, ?, strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), ?, strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), 1)`

/**
 * Applies what is missing, as `prisma migrate deploy` would and with the same history, in one transaction that no
 * other process can interleave with.
 * @throws STORE_MIGRATION_EDITED, STORE_MIGRATION_UNKNOWN, STORE_MIGRATION_FAILED
 */
export function migrate(connection: Connection, migrations: readonly Migration[], newUuid: () => string): void {
  connection.exec('BEGIN IMMEDIATE')
  try {
    connection.exec(HISTORY)
    const applied = connection.prepare(APPLIED).all() as readonly AppliedMigration[]
    for (const migration of pending(migrations, applied)) apply(connection, migration, newUuid())
    connection.exec('COMMIT')
  } catch (error) {
    if (connection.inTransaction) connection.exec('ROLLBACK')
    throw error
  }
}

function apply(connection: Connection, { name, sql, checksum }: Migration, id: string): void {
  try {
    connection.exec(sql)
    connection.prepare(RECORD).run(id, checksum, name)
  } catch (cause) {
    throw storeError('STORE_MIGRATION_FAILED', { details: { migration: name }, cause })
  }
}
