import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import Sqlite from 'better-sqlite3'
import type { TableName } from '#flows/tables.ts'
import { shapeOf } from '../../src/adapters/store/columns.ts'
import { testsOf } from '../../src/adapters/store/conditions.ts'
import { findSql, listSql, type Dialect } from '../../src/adapters/store/statements.ts'
import { sqlite, type RealDatabase } from './store/subjects.ts'

const DIALECT: Dialect = {
  placeholder: () => '?',
  among: (column, parameter) => `${column} IN (SELECT value FROM json_each(${parameter}))`,
}

/** What the stories ask of the tables that grow without end: none of it may read a whole table. */
const QUERIES: readonly [TableName, object, string?][] = [
  ['Certificate', { serial: '' }],
  ['Certificate', { serial: '', state: 'issued' }],
  ['Certificate', { idempotencyKey: '', issuedAt: { gt: 0 } }],
  ['Certificate', { idempotencyKey: { in: [] }, issuedAt: { gt: 0 } }],
  ['Certificate', { lineage: '', issuedAt: { gt: 0 }, state: { in: [] } }],
  ['Certificate', { spkiHash: '' }],
  ['Certificate', { instance: '' }],
  ['Certificate', { notAfter: { lt: 0 } }],
  ['Certificate', { state: 'intent' }, 'serial'],
  ['Certificate', { state: 'intent', issuedAt: { lt: 0 } }, 'serial'],
  ['Certificate', { state: 'intent', serial: { gt: '' } }, 'serial'],
  ['Instance', { id: '', state: 'active' }],
  ['Instance', { spiffeId: '' }],
  ['Instance', { lineage: '' }],
  ['Instance', { evidenceDigest: '' }],
  ['Certificate', { state: { in: [] }, issuedAt: { gte: 0 } }],
  ['Task', { subject: '' }],
  ['TaskToken', { expiresAt: { gt: 0 }, issuedAt: { gte: 0 } }],
  ['JoinToken', { hash: '', redeemedAt: null }],
  ['Task', { id: '', state: 'active' }],
  ['TaskToken', { jti: { in: [] } }],
  ['TaskToken', { task: '', issuedAt: { gte: 0 } }],
  ['TaskToken', { task: '' }, 'issuedAt'],
  ['TaskToken', { agent: '' }, 'issuedAt'],
  ['Cutoff', { key: { in: [] }, before: { gt: 0 } }],
  ['Cutoff', { createdAt: { gte: 0 } }, 'createdAt'],
  ['Cutoff', { kind: '', createdAt: { gte: 0 } }, 'createdAt'],
  ['CrlEntry', { authority: '', shard: 0, addedAt: { gte: 0 } }, 'serial'],
  ['Instance', { agent: '', state: 'active' }, 'id'],
  ['Instance', { node: '', state: 'active' }, 'id'],
  ['Instance', { evidenceDigest: '', state: 'active' }, 'id'],
  ['Instance', { lineage: '', state: 'active' }, 'id'],
  ['Certificate', { spkiHash: '', state: 'issued' }, 'serial'],
  ['Certificate', { instance: { in: [] }, state: 'issued', notAfter: { gt: 0 } }, 'serial'],
  ['Task', { agent: { in: [] }, state: 'active', deadline: { gt: 0 } }, 'id'],
  ['TaskToken', { agent: { in: [] }, expiresAt: { gt: 0 }, revokedAt: null }, 'jti'],
  ['Approval', { requestDigest: '', requestedBy: '', state: { in: [] }, expiresAt: { gt: 0 } }, 'id'],
  ['Replay', { key: '' }],
  ['LogLeaf', { hash: '' }],
  ['LogLeaf', { position: { gt: 0 } }, 'position'],
  ['LogLeaf', { replica: '', seq: { gt: 0 } }],
  ['LogPrivate', { leaf: '' }],
  ['Outbox', { position: { gt: 0 } }, 'position'],
  ['Outbox', { type: '', id: { gte: '' }, position: { gte: 0 } }, 'id'],
  ['TaskToken', { jti: { gte: '' } }, 'jti'],
  ['TaskToken', { agent: '', issuedAt: { gte: 0 } }],
]

describe('a query of the stories', () => {
  let database: RealDatabase
  let file: Sqlite.Database
  beforeAll(async () => {
    database = await sqlite.make()
    await (await database.open()).close()
    file = new Sqlite(database.address.slice('file:'.length), { readonly: true })
  })
  afterAll(async () => {
    file.close()
    await database.dispose()
  })

  const planOf = (sql: string): string => {
    const parameters = [...sql.matchAll(/\?/g)].map(() => '[]')
    const steps = file.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters) as readonly { detail: string }[]
    return steps.map(({ detail }) => detail).join('; ')
  }

  it.each(QUERIES)('reads %s by an index: %o', (table, where, orderBy) => {
    const shape = shapeOf(table)
    const tests = testsOf(shape, where)
    const listed = { column: orderBy ?? shape.primaryKey[0] ?? '', direction: 'ascending' } as const
    for (const sql of [
      findSql(shape, tests, DIALECT),
      ...(orderBy === undefined ? [] : [listSql(shape, tests, listed, DIALECT)]),
    ]) {
      const plan = planOf(sql)
      expect(plan).toContain(`SEARCH ${table}`)
      expect(plan).not.toContain(`SCAN ${table}`)
    }
  })

  it('is seen to read a whole table where it does', () => {
    expect(planOf(findSql(shapeOf('Certificate'), testsOf(shapeOf('Certificate'), { reason: '' }), DIALECT))).toContain(
      'SCAN',
    )
  })
})
