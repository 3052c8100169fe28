import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import pg from 'pg'

/** An empty database of its own for a test that needs a real one. */
export interface TestDatabase {
  readonly url: string
  drop(): Promise<void>
}

export type Provider = 'sqlite' | 'postgresql'

/** The PostgreSQL that `scripts/test` (or `scripts/postgres start`) runs. A test that needs one fails without it. */
function serverUrl(): string {
  const url = process.env['WRIT_TEST_POSTGRES']
  if (url === undefined || url === '') throw new Error('set WRIT_TEST_POSTGRES: scripts/postgres start prints it')
  return url
}

export async function createDatabase(provider: Provider, folder: string): Promise<TestDatabase> {
  if (provider === 'sqlite') return { url: `file:${join(folder, 'writ.db')}`, drop: () => Promise.resolve() }
  const name = `writ_${randomBytes(6).toString('hex')}`
  await run(`CREATE DATABASE "${name}"`)
  const url = new URL(serverUrl())
  url.pathname = `/${name}`
  return { url: url.href, drop: () => run(`DROP DATABASE "${name}" WITH (FORCE)`) }
}

async function run(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl() })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
