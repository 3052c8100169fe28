import Sqlite from 'better-sqlite3'
import pg from 'pg'
import type { RealDatabase } from './subjects.ts'

/** What a database itself says of a table: column to kind, in the words of the table of columns. */
export async function columnsOf(database: RealDatabase, table: string): Promise<Record<string, string>> {
  const rows = database.address.startsWith('file:') ? sqliteColumns(database, table) : await pgColumns(database, table)
  return Object.fromEntries(
    rows.map(({ name, type, nullable }) => [name, `${kindOf(table, name, type)}${nullable ? '?' : ''}`]),
  )
}

/** The unique keys of a table, the primary one included, each as its columns joined by commas. */
export async function uniqueKeysOf(database: RealDatabase, table: string): Promise<readonly string[]> {
  const keys = database.address.startsWith('file:') ? sqliteKeys(database, table) : await pgKeys(database, table)
  return [...keys].sort()
}

interface Column {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
}

/** Lists and objects are text to a database; which text they are only the records know. */
const JSON_COLUMNS = new Set([
  'Agent.selectors',
  'Agent.dnsNames',
  'Agent.permissions',
  'Agent.keyClasses',
  'Instance.selectors',
  'Node.selectors',
  'Resource.spiffeIds',
  'Resource.actions',
  'Resource.proxies',
  'Principal.roles',
  'Principal.subjects',
  'Principal.agents',
  'EnrollSession.context',
  'SsfStream.events',
  'Approval.request',
  'Approval.decisions',
  'Task.authority',
  'TaskToken.ancestors',
  'Outbox.data',
])

function kindOf(table: string, column: string, type: string): string {
  if (JSON_COLUMNS.has(`${table}.${column}`)) return 'json'
  const kinds: Record<string, string> = {
    TEXT: 'text',
    BIGINT: 'integer',
    BLOB: 'bytes',
    'text C': 'text',
    bigint: 'integer',
    bytea: 'bytes',
  }
  return kinds[type] ?? type
}

function withFile<Answer>(database: RealDatabase, ask: (file: Sqlite.Database) => Answer): Answer {
  const file = new Sqlite(database.address.slice('file:'.length), { readonly: true })
  try {
    return ask(file)
  } finally {
    file.close()
  }
}

function sqliteColumns(database: RealDatabase, table: string): readonly Column[] {
  return withFile(database, (file) => {
    const rows = file.pragma(`table_info("${table}")`) as readonly { name: string; type: string; notnull: number }[]
    return rows.map(({ name, type, notnull }) => ({ name, type, nullable: notnull === 0 }))
  })
}

function sqliteKeys(database: RealDatabase, table: string): readonly string[] {
  return withFile(database, (file) => {
    const indexes = file.pragma(`index_list("${table}")`) as readonly { name: string; unique: number }[]
    return indexes
      .filter(({ unique }) => unique === 1)
      .map(({ name }) =>
        (file.pragma(`index_info("${name}")`) as readonly { name: string }[]).map((one) => one.name).join(),
      )
  })
}

async function ask<Row extends pg.QueryResultRow>(database: RealDatabase, sql: string, table: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: database.address })
  await client.connect()
  try {
    return (await client.query<Row>(sql, [table])).rows
  } finally {
    await client.end()
  }
}

/** The collation is part of the type: text must compare by its bytes. */
function pgColumns(database: RealDatabase, table: string): Promise<Column[]> {
  const sql = `SELECT column_name AS name, is_nullable = 'YES' AS nullable,
    data_type || coalesce(' ' || collation_name, '') AS type
    FROM information_schema.columns WHERE table_name = $1 AND table_schema = 'public'`
  return ask<Column>(database, sql, table)
}

async function pgKeys(database: RealDatabase, table: string): Promise<readonly string[]> {
  const sql = `SELECT string_agg(a.attname, ',' ORDER BY k.ord) AS key
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, ord)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
    WHERE c.relname = $1 AND i.indisunique GROUP BY i.indexrelid`
  return (await ask<{ key: string }>(database, sql, table)).map(({ key }) => key)
}
