import type { PRIMARY_KEYS, TableName, Tables } from '#flows/tables.ts'
import type { ColumnKind, TypedTable } from './column-kinds.ts'
import { storeError } from './errors.ts'
import { REVOCATION_TABLES } from './revocation-tables.ts'

/**
 * The tables as both databases have them, in the order of the records. Every SQL identifier that the store ever
 * writes comes from here; that the records agree is checked by the compiler, that the databases do by a test.
 */
const TABLES = {
  Agent: {
    primaryKey: ['id'],
    unique: [['name'], ['path']],
    columns: {
      id: 'text',
      name: 'text',
      owner: 'text',
      path: 'text',
      identity: 'text',
      selectors: 'json',
      dnsNames: 'json',
      permissions: 'json',
      keyClasses: 'json',
      declaredKeyClass: 'text?',
      x509Lifetime: 'integer',
      jwtLifetime: 'integer',
      tokenLifetime: 'integer',
      maxAttestationAge: 'integer',
      renewGrace: 'integer',
      maxTaskLifetime: 'integer',
      maxDepth: 'integer',
      state: 'text',
      version: 'integer',
      createdAt: 'integer',
      updatedAt: 'integer',
    },
  },
  Instance: {
    primaryKey: ['id'],
    unique: [['workload']],
    columns: {
      id: 'text',
      spiffeId: 'text',
      agent: 'text',
      node: 'text?',
      attestor: 'text',
      selectors: 'json',
      evidenceDigest: 'text',
      evidenceSalt: 'text',
      keyClass: 'text',
      keyClassSource: 'text',
      attestedAt: 'integer',
      lineage: 'text',
      state: 'text',
      workload: 'text?',
      createdAt: 'integer',
    },
  },
  Node: {
    primaryKey: ['id'],
    unique: [],
    columns: {
      id: 'text',
      name: 'text',
      attestor: 'text',
      selectors: 'json',
      lastSeen: 'integer',
      bundleSequence: 'integer',
    },
  },
  Resource: {
    primaryKey: ['id'],
    unique: [['audience']],
    columns: {
      id: 'text',
      audience: 'text',
      owner: 'text',
      spiffeIds: 'json',
      actions: 'json',
      proxies: 'json',
      url: 'text?',
      state: 'text',
      createdAt: 'integer',
    },
  },
  Principal: {
    primaryKey: ['id'],
    unique: [['subject']],
    columns: {
      id: 'text',
      subject: 'text',
      name: 'text',
      roles: 'json',
      subjects: 'json',
      agents: 'json',
      state: 'text',
      version: 'integer',
      createdAt: 'integer',
    },
  },
  EnrollSession: {
    primaryKey: ['hash'],
    unique: [],
    columns: { hash: 'text', attestor: 'text', state: 'text', context: 'json', expiresAt: 'integer' },
  },
  JoinToken: {
    primaryKey: ['id'],
    unique: [['hash']],
    columns: {
      id: 'text',
      hash: 'text',
      agent: 'text',
      createdBy: 'text',
      createdAt: 'integer',
      expiresAt: 'integer',
      redeemedAt: 'integer?',
      redeemedCsr: 'text?',
      instance: 'text?',
      deletedAt: 'integer?',
    },
  },
  Authority: {
    primaryKey: ['id'],
    unique: [],
    columns: {
      id: 'text',
      kind: 'text',
      algorithm: 'text',
      keyReference: 'text',
      publicKey: 'bytes',
      kid: 'text',
      certificate: 'bytes?',
      issuer: 'text?',
      state: 'text',
      notBefore: 'integer',
      notAfter: 'integer',
      version: 'integer',
      createdAt: 'integer',
      publishedAt: 'integer?',
      activatedAt: 'integer?',
      retiredAt: 'integer?',
    },
  },
  Certificate: {
    primaryKey: ['serial'],
    unique: [['idempotencyKey']],
    columns: {
      serial: 'text',
      kind: 'text',
      der: 'bytes?',
      authority: 'text',
      spiffeId: 'text?',
      agent: 'text?',
      instance: 'text?',
      lineage: 'text?',
      renewed: 'text?',
      spkiHash: 'text',
      tbsHash: 'text',
      crlShard: 'integer',
      issuedAt: 'integer',
      notBefore: 'integer',
      notAfter: 'integer',
      state: 'text',
      revokedAt: 'integer?',
      reason: 'text?',
      idempotencyKey: 'text?',
    },
  },
  Task: {
    primaryKey: ['id'],
    unique: [],
    columns: {
      id: 'text',
      agent: 'text',
      instance: 'text?',
      owner: 'text',
      subject: 'text',
      subjectProof: 'text?',
      authority: 'json',
      transaction: 'text',
      deadline: 'integer',
      maxDepth: 'integer',
      maxDerivations: 'integer',
      state: 'text',
      version: 'integer',
      createdBy: 'text',
      createdAt: 'integer',
      endedAt: 'integer?',
    },
  },
  TaskToken: {
    primaryKey: ['jti'],
    unique: [],
    columns: {
      jti: 'text',
      task: 'text',
      parent: 'text?',
      ancestors: 'json',
      actor: 'text',
      agent: 'text',
      instance: 'text',
      audience: 'text',
      confirmation: 'text',
      certificate: 'text',
      statusIndex: 'integer',
      issuedAt: 'integer',
      expiresAt: 'integer',
      revokedAt: 'integer?',
    },
  },
  Cutoff: {
    primaryKey: ['key'],
    unique: [],
    columns: {
      key: 'text',
      kind: 'text',
      value: 'text',
      before: 'integer',
      reason: 'text',
      createdBy: 'text',
      createdAt: 'integer',
    },
  },
  ...REVOCATION_TABLES,
  SealingKey: {
    primaryKey: ['id'],
    unique: [],
    columns: { id: 'text', secret: 'bytes', expiresAt: 'integer' },
  },
  Replay: { primaryKey: ['key'], unique: [], columns: { key: 'text', expiresAt: 'integer' } },
  LogLeaf: {
    primaryKey: ['hash'],
    unique: [['replica', 'seq'], ['position']],
    columns: {
      hash: 'text',
      replica: 'text',
      seq: 'integer',
      at: 'integer',
      type: 'text',
      actor: 'text',
      object: 'text',
      bytes: 'bytes',
      position: 'integer?',
    },
  },
  LogPrivate: {
    primaryKey: ['leaf', 'name'],
    unique: [],
    columns: { leaf: 'text', name: 'text', salt: 'text', bytes: 'bytes' },
  },
  Outbox: {
    primaryKey: ['id'],
    unique: [['position']],
    columns: { id: 'text', type: 'text', data: 'json', createdAt: 'integer', position: 'integer?' },
  },
} as const satisfies { readonly [Table in TableName]: TypedTable<Tables[Table], (typeof PRIMARY_KEYS)[Table]> }

/** The same table with its types forgotten, for code that works on any of them. */
export interface TableShape {
  readonly name: TableName | 'Counter'
  readonly primaryKey: readonly string[]
  /** Every unique key, the primary key first. */
  readonly uniqueKeys: readonly (readonly string[])[]
  readonly columns: Readonly<Record<string, ColumnKind>>
}

export const TABLE_NAMES = Object.keys(TABLES) as readonly TableName[]

const SHAPES = new Map<string, TableShape>(
  TABLE_NAMES.map((name) => {
    const { primaryKey, unique } = TABLES[name]
    // Without a prototype: `constructor` is not a column.
    const columns = Object.assign(Object.create(null) as Record<string, ColumnKind>, TABLES[name].columns)
    return [name, { name, primaryKey, uniqueKeys: [primaryKey, ...unique], columns }]
  }),
)

/** Only counted in, never read as rows. */
export const COUNTER: TableShape = {
  name: 'Counter',
  primaryKey: ['name'],
  uniqueKeys: [['name']],
  columns: { name: 'text', next: 'integer' },
}

/** What is known of a table; a name that is not in the list is a programming error. */
export function shapeOf(table: TableName): TableShape {
  const shape = SHAPES.get(table)
  if (shape === undefined) throw storeError('STORE_QUERY_INVALID', { details: { table } })
  return shape
}
