import type { EnrollSessionRecord } from '#attestation/index.ts'
import { leafMaker, type LeafDraft, type LogLeafRecord, type MakeLeaf, type OutboxRecord } from '#audit/index.ts'
import type { AdoptionRecord } from '#authority/index.ts'
import type {
  Adoptions,
  Change,
  ClockMarks,
  Commit,
  Committed,
  Counters,
  Firsts,
  FirstTable,
  Journal,
  Leases,
  ListQuery,
  OutboxNews,
  OutboxSignal,
  Reader,
  Where,
} from '#flows/ports.ts'
import type { TableName, Tables } from '#flows/tables.ts'
import type { Clock } from '#kernel/clock.ts'
import type { WritError } from '#kernel/errors.ts'
import { after, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import { shapeOf, type TableShape } from '../../src/adapters/store/columns.ts'
import { compare, passes, testsOf, type Scalar, type Test } from '../../src/adapters/store/conditions.ts'
import { EventIds } from '../../src/adapters/store/event-ids.ts'
import { storeError } from '../../src/adapters/store/errors.ts'
import { Hints, isUrgent } from '../../src/adapters/store/hints.ts'
import { planOf } from '../../src/adapters/store/plan.ts'
import { planList } from '../../src/adapters/store/query.ts'
import { Refused } from '../../src/adapters/store/refusal.ts'
import { ADOPTION_KEPT, SEQUENCED_AT_ONCE } from '../../src/adapters/store/store.ts'
import { FakeClock } from './clock.ts'
import { FakeRandom } from './random.ts'

type Row = Readonly<Record<string, unknown>>

/** The nth commit (the first is 1) fails as if the database had gone away, before or after it took effect. */
export interface CommitFailure {
  readonly when: 'before' | 'after'
  readonly commit: number
}

export interface MemoryStoreOptions {
  readonly clock?: Clock
  readonly random?: Random
  readonly replica?: string
}

/**
 * The store in memory, with the same meaning as the real ones and nothing durable. Commits run one after the other,
 * so the lock is none. `leaves` and `events` are in the order in which they were written.
 */
export class MemoryStore implements Reader, Journal, Counters, Leases, OutboxSignal, ClockMarks, Firsts, Adoptions {
  readonly leaves: (LogLeafRecord & { readonly draft: LeafDraft })[] = []
  readonly events: OutboxRecord[] = []
  /** Set it to make a commit fail with STORE_UNAVAILABLE. */
  fail: CommitFailure | null = null
  /** Set it to make every read fail with STORE_UNAVAILABLE. */
  failReads = false
  /** What `databaseNow` answers. */
  databaseClock: Instant | null = null
  /** How many commits there were, refused and failed ones included. */
  commits = 0

  readonly #hints = new Hints()
  readonly #clock: Clock
  readonly #ids: EventIds
  readonly #replica: string
  readonly #makeLeaf: MakeLeaf
  #counters = new Map<string, number>()
  readonly #leases = new Map<string, { holder: string; until: Instant; fencing: number }>()
  readonly #marks = new Map<string, Instant>()
  #tables = new Map<TableName, readonly Row[]>()

  constructor(options: MemoryStoreOptions = {}) {
    this.#clock = options.clock ?? new FakeClock()
    const random = options.random ?? new FakeRandom('memory-store')
    this.#ids = new EventIds(random)
    this.#replica = options.replica ?? 'memory'
    this.#makeLeaf = leafMaker(random)
  }

  /** Puts a row there without a commit, for the preparation of a test. */
  seed<Table extends TableName>(table: Table, ...rows: readonly Tables[Table][]): this {
    for (const row of rows) this.#tables.set(table, [...this.#rows(table), structuredClone(row) as unknown as Row])
    return this
  }

  /** Every row of a table, for assertions. */
  all<Table extends TableName>(table: Table): readonly Tables[Table][] {
    return structuredClone(this.#rows(table)) as unknown as Tables[Table][]
  }

  async find<Table extends TableName>(table: Table, where: Where<Table>): Promise<Tables[Table] | null> {
    const [first] = this.#select(table, testsOf(shapeOf(table), where))
    return Promise.resolve((first as unknown as Tables[Table] | undefined) ?? null)
  }

  async list<Table extends TableName>(table: Table, query: ListQuery<Table>): Promise<readonly Tables[Table][]> {
    const { tests, ordering, limit } = planList(table, query)
    const sign = ordering.direction === 'descending' ? -1 : 1
    const rows = this.#select(table, tests)
    rows.sort((left, right) => sign * compare(left[ordering.column] as Scalar, right[ordering.column] as Scalar))
    return Promise.resolve(rows.slice(0, limit) as unknown as Tables[Table][])
  }

  async commit(commit: Commit): Promise<Committed> {
    this.commits++
    planOf(commit)
    const { guards, changes, leaf, events } = commit
    const failure = this.fail?.commit === this.commits ? this.fail.when : null
    await Promise.resolve()
    if (failure === 'before') throw storeError('STORE_UNAVAILABLE')
    const before = this.#tables
    const counted = new Map(this.#counters)
    this.#tables = new Map(before)
    try {
      for (const guard of guards) {
        const tests = testsOf(shapeOf(guard.table), guard.where)
        const found = this.#select(guard.table, tests).length > 0
        if (found !== (guard.must === 'exist')) throw new Refused(guard.refuse)
      }
      for (const change of changes) this.#apply(change)
      const committed = this.#write(leaf)
      for (const event of events) this.#publish(event)
      if (isUrgent(commit)) this.#hints.tell('written')
      if (failure === 'after') throw storeError('STORE_OUTCOME_UNKNOWN')
      return committed
    } catch (error) {
      if (!(error instanceof Refused)) {
        if (failure !== 'after') [this.#tables, this.#counters] = [before, counted]
        throw error
      }
      ;[this.#tables, this.#counters] = [before, counted]
      this.#write({ ...leaf, decision: `deny:${error.refusal.code}` })
      if (failure === 'after') throw storeError('STORE_OUTCOME_UNKNOWN')
      throw error.refusal
    }
  }

  async reserve(name: string, count: number): Promise<number> {
    if (!Number.isSafeInteger(count) || count < 1) throw storeError('STORE_QUERY_INVALID')
    const first = this.#counters.get(name) ?? 0
    this.#counters.set(name, first + count)
    return Promise.resolve(first)
  }

  async acquire(name: string, holder: string, length: Milliseconds): Promise<{ readonly fencing: number } | null> {
    const now = this.#clock.now()
    const held = this.#leases.get(name)
    const isTaken = held !== undefined && held.until > now && held.until <= now + 2 * length
    if (isTaken && held.holder !== holder) return Promise.resolve(null)
    const fencing = held === undefined ? 1 : held.holder === holder ? held.fencing : held.fencing + 1
    this.#leases.set(name, { holder, until: after(now, length), fencing })
    return Promise.resolve({ fencing })
  }

  async release(name: string, holder: string): Promise<void> {
    const held = this.#leases.get(name)
    if (held?.holder === holder) this.#leases.set(name, { ...held, holder: '', until: 0 as Instant })
    return Promise.resolve()
  }

  async read(replica: string): Promise<Instant | null> {
    return Promise.resolve(this.#marks.get(replica) ?? null)
  }

  async write(replica: string, mark: Instant): Promise<void> {
    this.#marks.set(replica, mark)
    return Promise.resolve()
  }

  async openEnrollSession(session: EnrollSessionRecord): Promise<void> {
    this.seed('EnrollSession', session)
    return Promise.resolve()
  }

  async insertFirst<Table extends FirstTable>(table: Table, row: Tables[Table]): Promise<boolean> {
    const shape = shapeOf(table)
    const isFirst = !clash(shape, this.#rows(table), row as unknown as Row)
    if (isFirst) this.seed(table, row)
    return Promise.resolve(isFirst)
  }

  async report(rows: readonly AdoptionRecord[]): Promise<void> {
    for (const row of rows) {
      const others = this.#rows('Adoption').filter(({ instance }) => instance !== row.instance)
      const [known] = this.all('Adoption').filter(({ instance }) => instance === row.instance)
      if (known === undefined || row.seenAt >= known.seenAt)
        this.#tables.set('Adoption', [...others, structuredClone(row) as unknown as Row])
    }
    return Promise.resolve()
  }

  async databaseNow(): Promise<Instant | null> {
    return Promise.resolve(this.databaseClock)
  }

  async sequence(table: 'LogLeaf' | 'Outbox'): Promise<number> {
    const rows = this.#rows(table)
    const key = (row: Row): string | number => (table === 'LogLeaf' ? (row['seq'] as number) : (row['id'] as string))
    const pending = rows
      .filter(({ position }) => position === null)
      .sort((left, right) => compare(key(left), key(right)))
    const first = Math.max(-1, ...rows.map(({ position }) => (position as number | null) ?? -1)) + 1
    const next = pending.slice(0, SEQUENCED_AT_ONCE)
    const positions = new Map(next.map((row, index) => [row, first + index]))
    this.#tables.set(
      table,
      rows.map((row) => ({ ...row, position: positions.get(row) ?? (row['position'] as number | null) })),
    )
    if (table === 'Outbox' && next.length > 0) this.#hints.tell('sequenced')
    return Promise.resolve(next.length)
  }

  subscribe(listener: (news: OutboxNews) => void): () => void {
    return this.#hints.subscribe(listener)
  }

  async purgeOutbox(before: Instant): Promise<number> {
    const rows = this.#rows('Outbox')
    const newest = Math.max(-1, ...rows.map(({ position }) => (position as number | null) ?? -1))
    const kept = rows.filter((row) => {
      const position = row['position'] as number | null
      return position === null || position === newest || (row['createdAt'] as number) >= before
    })
    this.#tables.set('Outbox', kept)
    return Promise.resolve(rows.length - kept.length)
  }

  async purge(before: Instant): Promise<number> {
    const expired = (row: Row): boolean => (row['expiresAt'] as number) < before
    const tables = ['Replay', 'EnrollSession', 'SealingKey'] as const
    const total = tables.reduce((sum, table) => sum + this.#rows(table).filter(expired).length, 0)
    for (const table of tables)
      this.#tables.set(
        table,
        this.#rows(table).filter((row) => !expired(row)),
      )
    const seen = this.#rows('Adoption').filter((row) => (row['seenAt'] as number) >= before - ADOPTION_KEPT)
    const unseen = this.#rows('Adoption').length - seen.length
    this.#tables.set('Adoption', seen)
    return Promise.resolve(total + unseen)
  }

  async close(): Promise<void> {
    return Promise.resolve()
  }

  #rows(table: TableName): readonly Row[] {
    return this.#tables.get(table) ?? []
  }

  #select(table: TableName, tests: readonly Test[]): Row[] {
    if (this.failReads) throw storeError('STORE_UNAVAILABLE')
    const shape = shapeOf(table)
    const found = this.#rows(table).filter((row) => tests.every((test) => passes(test, row[test.column])))
    const [key = ''] = shape.primaryKey
    return structuredClone(found).sort((left, right) => compare(left[key] as Scalar, right[key] as Scalar))
  }

  #apply(change: Change): void {
    if (change.op === 'count') {
      const counted = this.#counters.get(change.counter) ?? 0
      if (counted >= change.below) throw new Refused(change.refuse)
      this.#counters.set(change.counter, counted + 1)
      return
    }
    const shape = shapeOf(change.table)
    const rows = this.#rows(change.table)
    if (change.op === 'insert' || change.op === 'replace') {
      const row = structuredClone(change.row) as unknown as Row
      const others = change.op === 'insert' ? rows : rows.filter((other) => !sameKey(shape.primaryKey, other, row))
      if (clash(shape, others, row)) throw change.op === 'insert' ? new Refused(change.refuse) : conflict(shape)
      this.#tables.set(change.table, [...others, row])
      return
    }
    const tests = testsOf(shape, change.where)
    const hit = (row: Row): boolean => tests.every((test) => passes(test, row[test.column]))
    if (!rows.some(hit)) throw new Refused(change.refuse)
    if (change.op === 'delete') {
      this.#tables.set(
        change.table,
        rows.filter((row) => !hit(row)),
      )
      return
    }
    const set = structuredClone(change.set) as unknown as Row
    const changed = rows.map((row) => (hit(row) ? { ...row, ...set } : row))
    if (changed.some((row, index) => clash(shape, changed.slice(0, index), row))) throw conflict(shape)
    this.#tables.set(change.table, changed)
  }

  #write(draft: LeafDraft): Committed {
    const place = { at: this.#clock.now(), replica: this.#replica, seq: this.leaves.length }
    const { bytes, hash, private: values } = this.#makeLeaf(draft, place)
    const { type, actor, object } = draft
    const leaf = { hash, ...place, type, actor, object, bytes, position: null }
    this.leaves.push({ ...leaf, draft })
    this.seed('LogLeaf', leaf).seed('LogPrivate', ...values)
    return { hash, ...place }
  }

  #publish(event: Commit['events'][number]): void {
    const now = this.#clock.now()
    const row = { id: this.#ids.next(now), ...event, createdAt: now, position: null }
    this.events.push(row)
    this.seed('Outbox', row)
  }
}

function conflict(shape: TableShape): WritError {
  return storeError('STORE_CONFLICT', { details: { table: shape.name } })
}

function sameKey(key: readonly string[], left: Row, right: Row): boolean {
  return key.every((column) => left[column] !== null && left[column] === right[column])
}

function clash(shape: TableShape, rows: readonly Row[], row: Row): boolean {
  return shape.uniqueKeys.some((key) => rows.some((other) => sameKey(key, other, row)))
}
