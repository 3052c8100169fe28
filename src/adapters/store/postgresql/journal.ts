import type { Committed } from '#flows/ports.ts'
import { storeError } from '../errors.ts'
import type { LogRows, LogSequence } from '../log-sequence.ts'
import type { Waiting } from '../plan.ts'
import { LostLate, Refused } from '../refusal.ts'
import { isUrgent } from '../hints.ts'
import { isFelt } from '../snapshot.ts'
import { asStoreError, isUnavailable } from './connection.ts'
import { wavesOf } from './conflicts.ts'
import { NOTIFY_WRITTEN } from './notifications.ts'
import type { Reads } from './reads.ts'
import type { Session, Sessions } from './session.ts'
import { StatementNames } from './statement-names.ts'
import { Transaction } from './transaction.ts'

type Outcome = { readonly committed: Committed } | { readonly error: unknown }

/** Whoever issues holds it shared, whoever revokes alone: no issuance commits after an acknowledged revocation. */
const ISSUE_LOCK = 0x57524954

const BEGIN = {
  none: 'BEGIN ISOLATION LEVEL READ COMMITTED',
  issue: `BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock_shared(${String(ISSUE_LOCK)})`,
  revoke: `BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(${String(ISSUE_LOCK)})`,
} as const

const FIND_LEAF = 'SELECT 1 FROM "LogLeaf" WHERE "hash" = $1'

/**
 * The journal on PostgreSQL: one transaction per batch, and in it a few set-based statements per wave. When something
 * goes wrong that is not a plain refusal, the batch is undone and its commits are run one by one.
 */
export class PostgresqlJournal {
  readonly #sessions: Sessions
  readonly #sequence: LogSequence
  /** Statements are prepared per connection; their names are the same on each. */
  readonly #names = new StatementNames()
  readonly #reads: Pick<Reads, 'forget' | 'advance'>
  #stopped: unknown = null

  constructor(sessions: Sessions, sequence: LogSequence, reads: Pick<Reads, 'forget' | 'advance'>) {
    this.#sessions = sessions
    this.#sequence = sequence
    this.#reads = reads
  }

  /** Answers every commit of the batch; never rejects. */
  async run(batch: readonly Waiting[]): Promise<void> {
    const outcomes = await this.#outcomes(batch)
    // However it ended: nobody hears of it who could still be told what was read before.
    this.#forget(batch)
    batch.forEach((waiting, index) => {
      const outcome = outcomes[index] ?? { error: storeError('STORE_UNAVAILABLE') }
      if ('committed' in outcome) waiting.resolve(outcome.committed)
      else waiting.reject(outcome.error)
    })
  }

  #forget(batch: readonly Waiting[]): void {
    for (const { plan } of batch) this.#reads.forget(plan.changes)
  }

  async #outcomes(batch: readonly Waiting[]): Promise<readonly Outcome[]> {
    if (this.#stopped !== null) return batch.map(() => ({ error: this.#stopped }))
    try {
      return await this.#attempt(batch)
    } catch (error) {
      const failure = asStoreError(error)
      if (isTaken(failure)) this.#stopped = failure
      const together = batch.length === 1 || isTaken(failure) || isUnavailable(error) || isUnknown(failure)
      if (!together) return await this.#oneByOne(batch)
      return batch.map(() => ({ error: failure }))
    }
  }

  async #oneByOne(batch: readonly Waiting[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    for (const waiting of batch) outcomes.push(...(await this.#outcomes([waiting])))
    return outcomes
  }

  async #attempt(batch: readonly Waiting[]): Promise<readonly Outcome[]> {
    const { session, fresh } = await this.#sessions.get()
    if (fresh) this.#sequence.rewind(session.next)
    const start = this.#sequence.next
    try {
      return await this.#transaction(session, batch)
    } catch (error) {
      this.#sequence.rewind(start)
      if (isUnknown(error)) throw error
      await this.#sessions.rollback(session, error)
      const [only, ...others] = batch
      if (!(error instanceof LostLate) || only === undefined || others.length > 0) throw error
      return [await this.#deny(session, only, new Refused(error.refuse))]
    }
  }

  async #transaction(session: Session, batch: readonly Waiting[]): Promise<readonly Outcome[]> {
    const plans = batch.map(({ plan }) => plan)
    await session.client.query(BEGIN[strongest(batch)])
    const transaction = new Transaction(session.client, this.#names, plans)
    const waves = wavesOf(plans)
    for (const wave of waves) await transaction.run(wave)
    const logs: (readonly [number, LogRows])[] = []
    for (const ordinal of waves.flatMap(({ members }) => members)) {
      const plan = plans[ordinal]
      if (plan === undefined) continue
      const lost = transaction.refused.get(ordinal)
      const rows =
        lost === undefined
          ? this.#sequence.permitted(plan.leaf, plan.events)
          : this.#sequence.denied(plan.leaf, lost.refusal)
      logs.push([ordinal, rows])
    }
    const isSeen = plans.some(({ changes }) => changes.some(isFelt))
    const version = isSeen ? await transaction.nextVersion() : null
    if (plans.some(isUrgent)) await session.client.query(NOTIFY_WRITTEN)
    await this.#finish(session, transaction, logs)
    this.#forget(batch)
    if (version !== null) this.#reads.advance(version)
    const committed = new Map(logs.map(([ordinal, rows]) => [ordinal, rows.committed]))
    return plans.map((_, ordinal) => outcomeOf(transaction.refused.get(ordinal), committed.get(ordinal)))
  }

  /** Writes only the leaf that says that a commit was refused. */
  async #deny(session: Session, { plan }: Waiting, { refusal }: Refused): Promise<Outcome> {
    const start = this.#sequence.next
    try {
      await session.client.query(BEGIN.none)
      const rows = this.#sequence.denied(plan.leaf, refusal)
      await this.#finish(session, new Transaction(session.client, this.#names, []), [[0, rows]])
      return { error: refusal }
    } catch (error) {
      this.#sequence.rewind(start)
      if (!isUnknown(error)) await this.#sessions.rollback(session, error)
      throw error
    }
  }

  async #finish(
    session: Session,
    transaction: Transaction,
    logs: readonly (readonly [number, LogRows])[],
  ): Promise<void> {
    const rows = logs.map(([, log]) => log)
    await transaction.write(rows)
    const next = this.#sequence.next
    try {
      const { command } = await session.client.query('COMMIT')
      if (command !== 'COMMIT') throw storeError('STORE_UNAVAILABLE', { details: { command } })
    } catch (error) {
      await this.#settle(session, rows, error)
      this.#sequence.rewind(next)
    }
  }

  /**
   * The connection was lost while it committed. Once a new one holds the replica's lock, the old transaction is over,
   * and our first leaf says how it ended. @throws STORE_OUTCOME_UNKNOWN when nobody can tell us
   */
  async #settle(lost: Session, rows: readonly LogRows[], cause: unknown): Promise<void> {
    this.#sessions.discard(lost)
    let found: number
    try {
      const { session } = await this.#sessions.get()
      this.#sequence.rewind(session.next)
      const { rowCount } = await session.client.query(FIND_LEAF, [rows[0]?.committed.hash])
      found = rowCount ?? 0
    } catch {
      throw storeError('STORE_OUTCOME_UNKNOWN', { cause })
    }
    if (found === 0) throw storeError('STORE_UNAVAILABLE', { cause })
  }
}

function strongest(batch: readonly Waiting[]): keyof typeof BEGIN {
  const locks = new Set(batch.map(({ plan }) => plan.lock))
  return locks.has('revoke') ? 'revoke' : locks.has('issue') ? 'issue' : 'none'
}

function outcomeOf(lost: Refused | undefined, committed: Committed | undefined): Outcome {
  if (lost !== undefined) return { error: lost.refusal }
  return committed === undefined ? { error: storeError('STORE_UNAVAILABLE') } : { committed }
}

function isTaken(error: unknown): boolean {
  return hasCode(error, 'STORE_REPLICA_TAKEN')
}

function isUnknown(error: unknown): boolean {
  return hasCode(error, 'STORE_OUTCOME_UNKNOWN')
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
