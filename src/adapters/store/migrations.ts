import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { storeError } from './errors.ts'

export interface Migration {
  readonly name: string
  readonly sql: string
  /** SHA-256 of the file, hex, as Prisma records it. */
  readonly checksum: string
}

export interface AppliedMigration {
  readonly name: string
  readonly checksum: string
}

/** `prisma/` stands beside `src/` and beside the compiled `dist/`. */
const PRISMA = new URL('../../../prisma/', import.meta.url)

const NAME = /^[0-9]{4,}_[a-z0-9_-]+$/

/** Every migration of a provider, in the order in which they apply. */
export function readMigrations(provider: 'sqlite' | 'postgresql', root: URL = PRISMA): readonly Migration[] {
  const folder = new URL(`${provider}/migrations/`, root)
  const names = readdirSync(folder).filter((name) => NAME.test(name))
  return names.sort().map((name) => {
    const sql = readFileSync(new URL(`${name}/migration.sql`, folder), 'utf8')
    return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
  })
}

/**
 * What is left to do.
 * @throws STORE_MIGRATION_EDITED when a file is no longer what was applied; STORE_MIGRATION_UNKNOWN when the database
 * has one that this release does not know
 */
export function pending(all: readonly Migration[], applied: readonly AppliedMigration[]): readonly Migration[] {
  const known = new Map(all.map((migration) => [migration.name, migration.checksum]))
  for (const { name, checksum } of applied) {
    const expected = known.get(name)
    if (expected === undefined) throw storeError('STORE_MIGRATION_UNKNOWN', { details: { migration: name } })
    if (expected !== checksum) throw storeError('STORE_MIGRATION_EDITED', { details: { migration: name } })
  }
  const done = new Set(applied.map(({ name }) => name))
  return all.filter(({ name }) => !done.has(name))
}
