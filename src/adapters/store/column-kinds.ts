/**
 * What a column holds in both databases: `text`, `integer` (64 bits; instants are milliseconds), `bytes`, or `json`
 * (a list or an object, kept as JSON text). A question mark allows null.
 */
export type ColumnKind = 'text' | 'integer' | 'bytes' | 'json' | 'text?' | 'integer?' | 'bytes?' | 'json?'

type KindOf<Value> = Value extends string
  ? 'text'
  : Value extends number
    ? 'integer'
    : Value extends Uint8Array
      ? 'bytes'
      : 'json'

type Nullable<Kind extends string, Value> = null extends Value ? `${Kind}?` : Kind

type ColumnsOf<Row> = { readonly [Column in keyof Row]-?: Nullable<KindOf<NonNullable<Row[Column]>>, Row[Column]> }

export interface TypedTable<Row, Key> {
  /** Begins with the column in `PRIMARY_KEYS`. */
  readonly primaryKey: readonly [Key, ...(keyof Row & string)[]]
  readonly unique: readonly (readonly (keyof Row & string)[])[]
  readonly columns: ColumnsOf<Row>
}
