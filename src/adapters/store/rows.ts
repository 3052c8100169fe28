import type { ColumnKind } from './column-kinds.ts'
import type { TableShape } from './columns.ts'
import { storeError } from './errors.ts'

export type Row = Readonly<Record<string, unknown>>

/** A value as both databases keep it: lists and objects have become JSON text. */
export type Stored = string | number | Uint8Array | null
export type StoredRow = Readonly<Record<string, Stored>>

/**
 * Makes a record ready to be stored, every column of the table.
 * @throws STORE_QUERY_INVALID when a member is missing, not known, or not of its column's kind
 */
export function encodeRow(shape: TableShape, row: object): StoredRow {
  const foreign = Object.keys(row).find((column) => shape.columns[column] === undefined)
  if (foreign !== undefined) throw invalid(shape, foreign)
  return encodeColumns(shape, row as Row, Object.keys(shape.columns))
}

/**
 * Makes the new values of some columns ready; the primary key cannot be changed.
 * @throws STORE_QUERY_INVALID
 */
export function encodeSet(shape: TableShape, set: object): StoredRow {
  const columns = Object.keys(set)
  const wrong = columns.find((column) => shape.primaryKey.includes(column))
  if (columns.length === 0 || wrong !== undefined) throw invalid(shape, wrong ?? '')
  return encodeColumns(shape, set as Row, columns)
}

function encodeColumns(shape: TableShape, row: Row, columns: readonly string[]): StoredRow {
  const stored: Record<string, Stored> = {}
  for (const column of columns) {
    const kind = shape.columns[column]
    const value = kind === undefined ? undefined : convert(kind, row[column], ENCODERS)
    if (value === undefined) throw invalid(shape, column)
    stored[column] = value
  }
  return stored
}

type BareKind = 'text' | 'integer' | 'bytes' | 'json'
type Convert<From, To> = Readonly<Record<BareKind, (value: From) => To | undefined>>

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const integer = (value: unknown): number | undefined => (Number.isSafeInteger(value) ? (value as number) : undefined)

/** PostgreSQL has no text with NUL in it, and neither database has half a character. */
export function isStorableText(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0')
}

const ENCODERS: Convert<unknown, Stored> = {
  text: (value) => (isStorableText(value) ? value : undefined),
  integer,
  bytes: (value) => (value instanceof Uint8Array ? value : undefined),
  json: (value) => (typeof value === 'object' ? JSON.stringify(value) : undefined),
}

const DECODERS: Convert<unknown, unknown> = {
  text,
  integer,
  bytes: (value) => (value instanceof Uint8Array ? new Uint8Array(value) : undefined),
  json: (value) => (typeof value === 'string' ? decodeJson(value) : undefined),
}

interface Kind {
  readonly bare: BareKind
  readonly nullable: boolean
}

const KINDS: Readonly<Record<ColumnKind, Kind>> = {
  text: { bare: 'text', nullable: false },
  integer: { bare: 'integer', nullable: false },
  bytes: { bare: 'bytes', nullable: false },
  json: { bare: 'json', nullable: false },
  'text?': { bare: 'text', nullable: true },
  'integer?': { bare: 'integer', nullable: true },
  'bytes?': { bare: 'bytes', nullable: true },
  'json?': { bare: 'json', nullable: true },
}

/** Undefined when the value is not of the kind. */
function convert<From, To>(kind: ColumnKind, value: From, converters: Convert<From, To>): To | null | undefined {
  const { bare, nullable } = KINDS[kind]
  if (value === null) return nullable ? null : undefined
  return converters[bare](value)
}

/**
 * Makes a record out of what a database answered.
 * @throws STORE_ROW_CORRUPT when a column is missing or not of its kind
 */
export function decodeRow(shape: TableShape, raw: Row): Row {
  const row: Record<string, unknown> = {}
  for (const column in shape.columns) {
    const kind = shape.columns[column]
    const value = kind === undefined ? undefined : convert(kind, raw[column], DECODERS)
    if (value === undefined) throw storeError('STORE_ROW_CORRUPT', { details: { table: shape.name, column } })
    row[column] = value
  }
  return row
}

function decodeJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function invalid(shape: TableShape, column: string): Error {
  return storeError('STORE_QUERY_INVALID', { details: { table: shape.name, column } })
}
