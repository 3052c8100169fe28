import type { EnrollSessionRecord } from '#attestation/index.ts'
import type { LeafDraft } from '#audit/index.ts'
import type { AdoptionRecord, AuthorityKind } from '#authority/index.ts'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { Clock } from '#kernel/clock.ts'
import type { WritError } from '#kernel/errors.ts'
import type { Instant, Milliseconds } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Random } from '#kernel/random.ts'
import type { Signer } from '#kernel/signer.ts'
import type { TableName, Tables, WritableTable } from './tables.ts'

/** Equal to a value (null: is null), one of several, or on one side of it. Lists and objects cannot be compared. */
export type Condition<Value> =
  | Value
  | { readonly in: readonly Value[] }
  | { readonly gt: Value }
  | { readonly gte: Value }
  | { readonly lt: Value }
  | { readonly lte: Value }

type Comparable<Row> = {
  [Column in keyof Row as Row[Column] extends string | number | null ? Column : never]: Row[Column]
}

/** All conditions must hold. */
export type Where<Table extends TableName> = {
  readonly [Column in keyof Comparable<Tables[Table]>]?: Condition<Comparable<Tables[Table]>[Column]>
}

export interface ListQuery<Table extends TableName> {
  readonly where?: Where<Table>
  /** Ascending by primary key unless given; `after` continues behind that value of the ordering column. */
  readonly orderBy?: keyof Comparable<Tables[Table]> & string
  readonly direction?: 'ascending' | 'descending'
  readonly after?: string | number
  /** 1 to 1000. */
  readonly limit: number
}

/** Reads committed state. A decision made on it is made again by the guards of the commit. */
export interface Reader {
  find<Table extends TableName>(table: Table, where: Where<Table>): Promise<Tables[Table] | null>
  list<Table extends TableName>(table: Table, query: ListQuery<Table>): Promise<readonly Tables[Table][]>
  /**
   * For the reads of one story, which belong together: each gives what was committed when the first of them began, or
   * later. A store that keeps rows between requests then has to make sure of them only once.
   */
  together?(): Reader
}

/** Makes the typed refusal of a commit that lost. */
export type Refuse = () => WritError

/** Checked first, under the lock, before anything changes. */
export type Guard = {
  [Table in TableName]: {
    readonly table: Table
    readonly must: 'exist' | 'not-exist'
    readonly where: Where<Table>
    readonly refuse: Refuse
  }
}[TableName]

/**
 * `insert` refuses when a unique key is taken; `update` and `delete` when no row matches; `replace` inserts, or
 * overwrites the row with the same primary key. One commit changes a row at most once.
 */
export type Change = RowChange | CountChange

/**
 * Counts one up, and refuses when the counter has reached `below`; it counts only when the whole commit is made. Nothing
 * that is counted is ever given back.
 */
export interface CountChange {
  readonly op: 'count'
  readonly counter: string
  readonly below: number
  readonly refuse: Refuse
}

type RowChange = {
  [Table in WritableTable]:
    | { readonly op: 'insert'; readonly table: Table; readonly row: Tables[Table]; readonly refuse: Refuse }
    | { readonly op: 'replace'; readonly table: Table; readonly row: Tables[Table] }
    | {
        readonly op: 'update'
        readonly table: Table
        readonly where: Where<Table>
        readonly set: Partial<Tables[Table]>
        readonly refuse: Refuse
      }
    | { readonly op: 'delete'; readonly table: Table; readonly where: Where<Table>; readonly refuse: Refuse }
}[WritableTable]

/** A state change that subscribers and other replicas hear of; `data` holds ids only. */
export interface OutboxEvent {
  readonly type: string
  readonly data: JsonObject
}

export interface Commit {
  /** Who issues takes the lock shared, who revokes takes it exclusively; what does neither takes none. */
  readonly lock: 'issue' | 'revoke' | 'none'
  readonly guards: readonly Guard[]
  readonly changes: readonly Change[]
  readonly leaf: LeafDraft
  readonly events: readonly OutboxEvent[]
}

/** What the journal answers once everything of a commit is durable. */
export interface Committed {
  readonly hash: string
  readonly replica: string
  readonly seq: number
  readonly at: Instant
}

/**
 * The only way to change anything. `commit` is atomic and durable (fsync) when it resolves: guards hold, changes are
 * made, the leaf and the events are written. When a guard or change refuses, nothing is changed, a denial leaf is
 * written, and `commit` rejects with the refusal. When the leaf cannot be written, nothing else is. A commit never
 * fails because of its neighbours in the same batch.
 */
export interface Journal {
  commit(commit: Commit): Promise<Committed>
}

/** Hands out numbers that nobody else gets: reserves `count` in a row and returns the first. Durable; gaps may occur. */
export interface Counters {
  reserve(name: string, count: number): Promise<number>
}

/**
 * Challenges that wait for their answer. Opening one decides nothing and anybody can ask for it, so it has no leaf;
 * what ends one is a commit (decision 0006).
 */
export interface EnrollSessions {
  openEnrollSession(session: EnrollSessionRecord): Promise<void>
}

/** The tables of which it matters only who came first. */
export type FirstTable = 'Replay' | 'SealingKey'

/**
 * What is used once, or made once, before there is anything to decide: it has no leaf (decision 0007). Of any number
 * who insert the same key, on any replica, exactly one is told true.
 */
export interface Firsts {
  insertFirst<Table extends FirstTable>(table: Table, row: Tables[Table]): Promise<boolean>
}

/**
 * Which trust instances were last seen with: telemetry of the clients, without a leaf (decision 0022). Of two reports
 * about one instance, from any replicas, the later one stays.
 */
export interface Adoptions {
  report(rows: readonly AdoptionRecord[]): Promise<void>
}

/**
 * One leader per duty. The fencing token rises with each change of holder. What a lease has left is measured by the one
 * clock that all replicas share: the database's, or where that has none, the machine's. One that would last twice as
 * long as it is asked for was granted before that clock was set back, and keeps nobody waiting.
 */
export interface Leases {
  /** For `length` from now on; null while somebody else has it, which changes nothing in the store. */
  acquire(name: string, holder: string, length: Milliseconds): Promise<{ readonly fencing: number } | null>
  release(name: string, holder: string): Promise<void>
}

/**
 * Gives the rows that have no position yet the next ones, without gaps, each replica's in the order in which it wrote
 * them. Only the holder of the lease calls it; should two believe that they are, one of them fails, and no position
 * changes. A bounded number at a time: call it again until it answers 0, which is how many it numbered.
 */
export interface Sequencer {
  sequence(table: 'LogLeaf' | 'Outbox'): Promise<number>
}

/** What a hint is about: rows that have no position yet, or rows that got theirs. */
export type OutboxNews = 'written' | 'sequenced'

/**
 * Wakes those who give or follow positions, on every replica. A hint may come early, late, twice or never: whoever
 * listens also looks by itself from time to time, and never believes more than what it then finds.
 */
export interface OutboxSignal {
  /** Answers how to stop. A listener must not throw. */
  subscribe(listener: (news: OutboxNews) => void): () => void
}

/** The highest wall-clock time at which this replica has issued (promise 12). */
export interface ClockMarks {
  read(replica: string): Promise<Instant | null>
  write(replica: string, mark: Instant): Promise<void>
  /** The database's own clock; null where it has none of its own (embedded). */
  databaseNow(): Promise<Instant | null>
}

/** Where private keys of authorities live. `reference` names a key, never holds one. */
export interface Keys {
  /**
   * Makes a new key, in the store that the configuration names for its kind.
   * @throws KEY_EXISTS when `name` is taken, KEY_UNAVAILABLE
   */
  generate(
    name: string,
    algorithm: SignatureAlgorithm,
    kind: AuthorityKind,
  ): Promise<{ readonly reference: string; readonly signer: Signer }>
  /**
   * `expected` is the DER SubjectPublicKeyInfo of a record or certificate that the key must belong to.
   * @throws KEY_NOT_FOUND, KEY_UNUSABLE, KEY_MISMATCH, KEY_UNAVAILABLE while its home cannot be reached
   */
  open(reference: string, expected?: Bytes): Promise<Signer>
}

/** What nearly every story needs. */
export interface StoryPorts {
  readonly reader: Reader
  readonly journal: Journal
  readonly clock: Clock
  readonly random: Random
}
