/**
 * Fills a store with certificates that were issued and taken back, by the database's own means: a million of them
 * through the API would take hours.
 */
import Sqlite from 'better-sqlite3'
import pg from 'pg'
import type { Provider } from '../../test/support/databases.ts'

export interface Filling {
  readonly provider: Provider
  readonly url: string
  readonly password: string | undefined
  /** Id of the agent that all of them belong to. */
  readonly agent: string
}

/** Which rows: `from` to `to`, and whether they are taken back already. */
export interface Rows {
  readonly from: number
  readonly to: number
  readonly revoked: boolean
}

const HOUR = 3_600_000
/** Bytes of a certificate. */
const DER = 600

export const instanceOf = (number: number): string => `i-${number.toString(16).padStart(16, '0')}`

/** Keys that lie scattered in the index, as those of real serials do. */
export function serialOf(number: number): string {
  const scattered = Number((BigInt(number) * 2_654_435_761n) % 4_294_967_296n)
  return scattered.toString(16).padStart(8, '0') + number.toString(16).padStart(26, '0')
}

/** What the two databases say differently. */
interface Dialect {
  readonly series: string
  readonly hex: (width: number, of: string) => string
  readonly bytes: (length: number) => string
}

const DIALECTS: Readonly<Record<Provider, (rows: Rows) => Dialect>> = {
  sqlite: ({ from, to }) => ({
    series: `(WITH RECURSIVE n(i) AS (SELECT ${String(from)} UNION ALL SELECT i + 1 FROM n WHERE i < ${String(to)}) SELECT i FROM n)`,
    hex: (width, of) => `printf('%0${String(width)}x', ${of})`,
    bytes: (length) => `zeroblob(${String(length)})`,
  }),
  postgresql: ({ from, to }) => ({
    series: `generate_series(${String(from)}::bigint, ${String(to)}::bigint) AS n(i)`,
    hex: (width, of) => `lpad(to_hex(${of}), ${String(width)}, '0')`,
    bytes: (length) => `decode(repeat('00', ${String(length)}), 'hex')`,
  }),
}

/** A row for each, the columns in the order of their names here. */
function insert(table: string, columns: Readonly<Record<string, string>>, series: string): string {
  const names = Object.keys(columns).map((name) => `"${name}"`)
  return `INSERT INTO "${table}" (${names.join(', ')}) SELECT ${Object.values(columns).join(', ')} FROM ${series}`
}

function statements({ provider, agent }: Filling, rows: Rows): readonly string[] {
  const { series, hex, bytes } = DIALECTS[provider](rows)
  const [issued, ends, cut] = [Date.now() - HOUR, Date.now() + 24 * HOUR, Date.now() - HOUR / 2].map(String)
  const instance = `'i-' || ${hex(16, 'i')}`
  const lineage = `'lin_' || ${hex(26, 'i')}`
  const serial = `${hex(8, '(i * 2654435761) % 4294967296')} || ${hex(26, 'i')}`
  const id = `'spiffe://bench.example/agent/bench/' || ${instance}`
  const authority = `(SELECT "id" FROM "Authority" WHERE "kind" = 'x509' AND "state" = 'active')`
  const common = { agent: `'${agent}'`, lineage, spiffeId: id }
  const instances = {
    ...common,
    id: instance,
    attestor: `'join_token'`,
    selectors: `'[]'`,
    evidenceDigest: hex(64, 'i'),
    evidenceSalt: `'00'`,
    keyClass: `'software'`,
    keyClassSource: `'declared'`,
    attestedAt: issued ?? '',
    state: rows.revoked ? `'revoked'` : `'active'`,
    createdAt: issued ?? '',
  }
  const certificates = {
    ...common,
    serial,
    kind: `'svid'`,
    der: bytes(DER),
    authority,
    instance,
    spkiHash: hex(64, 'i'),
    tbsHash: hex(64, 'i'),
    crlShard: 'i % 16',
    issuedAt: issued ?? '',
    notBefore: issued ?? '',
    notAfter: ends ?? '',
    state: rows.revoked ? `'revoked'` : `'issued'`,
    revokedAt: rows.revoked ? (cut ?? '') : 'NULL',
    reason: rows.revoked ? `'unspecified'` : 'NULL',
  }
  const cutoffs = {
    key: `'instance:' || ${instance}`,
    kind: `'instance'`,
    value: instance,
    before: '253402300799000',
    reason: `'unspecified'`,
    createdBy: `'local:0'`,
    createdAt: cut ?? '',
  }
  return [
    insert('Instance', instances, series),
    insert('Certificate', certificates, series),
    ...(rows.revoked ? [insert('Cutoff', cutoffs, series), ...listed({ series, serial, authority, cut, ends })] : []),
  ]
}

interface Listed {
  readonly series: string
  readonly serial: string
  readonly authority: string
  readonly cut: string | undefined
  readonly ends: string | undefined
}

/** The lines of CRLs that a server would have spelled them out into by now, and that it has come so far. */
function listed({ series, serial, authority, cut = '', ends = '' }: Listed): readonly string[] {
  const lines = {
    serial,
    authority,
    shard: 'i % 16',
    revokedAt: cut,
    reason: `'unspecified'`,
    notAfter: ends,
    addedAt: cut,
  }
  const mark = `INSERT INTO "Mark" ("name", "at") VALUES ('crl-cutoffs', ${String(Date.now())})`
  return [insert('CrlEntry', lines, series), `${mark} ON CONFLICT ("name") DO UPDATE SET "at" = excluded."at"`]
}

/** While no server has it open. */
export async function fill(filling: Filling, rows: Rows): Promise<void> {
  const all = statements(filling, rows)
  if (filling.provider === 'sqlite') {
    const file = new Sqlite(filling.url.slice('file:'.length))
    file.transaction(() => {
      all.forEach((statement) => file.exec(statement))
    })()
    file.pragma('wal_checkpoint(TRUNCATE)')
    file.close()
    return
  }
  const { password } = filling
  const client = new pg.Client({ connectionString: filling.url, ...(password === undefined ? {} : { password }) })
  await client.connect()
  try {
    for (const statement of all) await client.query(statement)
    // As its daemon does by itself, some minutes later.
    await client.query('VACUUM ANALYZE')
  } finally {
    await client.end()
  }
}
