import type { Committed } from '#flows/ports.ts'
import { storeError } from '../errors.ts'
import type { LogRows, LogSequence } from '../log-sequence.ts'
import type { Plan, Waiting } from '../plan.ts'
import { LostLate, Refused } from '../refusal.ts'
import { isUrgent } from '../hints.ts'
import { isFelt } from '../snapshot.ts'
import { asStoreError, isUnavailable } from './connection.ts'
import { wavesOf, type Wave } from './conflicts.ts'
import { NOTIFY_WRITTEN } from './notifications.ts'
import type { Reads } from './reads.ts'
import type { Session, Sessions } from './session.ts'
import { StatementNames } from './statement-names.ts'
import { Transaction } from './transaction.ts'

type Outcome = { readonly committed: Committed } | { readonly error: unknown }

/** Whoever issues holds it shared, whoever revokes alone: no issuance commits after an acknowledged revocation. */
const ISSUE_LOCK = 0x57524954

const LOCK = {
  none: null,
  issue: `SELECT pg_advisory_xact_lock_shared(${String(ISSUE_LOCK)})`,
  revoke: `SELECT pg_advisory_xact_lock(${String(ISSUE_LOCK)})`,
} as const

const BEGIN = 'BEGIN ISOLATION LEVEL READ COMMITTED'
/** For the batch that waits already. */
const COMMIT_AND_BEGIN = `COMMIT; ${BEGIN}`

const FIND_LEAF = 'SELECT 1 FROM "LogLeaf" WHERE "hash" = $1'

/** A batch in the order in which it is run. */
interface Work {
  readonly plans: readonly Plan[]
  readonly waves: readonly Wave[]
}

/** What a transaction has done that is ready to be committed. */
interface Written {
  readonly refused: ReadonlyMap<number, Refused>
  readonly logs: readonly (readonly [number, LogRows])[]
  /** Null where nothing changed that replicas keep. */
  readonly version: number | null
}

/**
 * The journal on PostgreSQL: one transaction per batch, and in it a few set-based statements per wave. All of them are
 * sent at once, as if nobody were refused, which is what nearly always happens; where somebody is, that is undone and
 * the statements are sent again one after the other, each for those who are still in. Nothing is committed before every
 * answer is there. When something goes wrong that is not a plain refusal, the batch is undone and its commits are run
 * one by one.
 */
export class PostgresqlJournal {
  readonly #sessions: Sessions
  readonly #sequence: LogSequence
  /** Statements are prepared per connection; their names are the same on each. */
  readonly #names = new StatementNames()
  readonly #reads: Pick<Reads, 'forget' | 'advance'>
  #stopped: unknown = null
  /** Where a transaction was begun together with the commit before it. */
  #begun: Session | null = null

  constructor(sessions: Sessions, sequence: LogSequence, reads: Pick<Reads, 'forget' | 'advance'>) {
    this.#sessions = sessions
    this.#sequence = sequence
    this.#reads = reads
  }

  /** Answers every commit of the batch; never rejects. `isMore` tells whether another batch waits. */
  async run(batch: readonly Waiting[], isMore: () => boolean = () => false): Promise<void> {
    const outcomes = await this.#outcomes(batch, isMore)
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

  async #outcomes(batch: readonly Waiting[], isMore: () => boolean): Promise<readonly Outcome[]> {
    if (this.#stopped !== null) return batch.map(() => ({ error: this.#stopped }))
    try {
      return await this.#attempt(batch, isMore)
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
    for (const waiting of batch) outcomes.push(...(await this.#outcomes([waiting], () => false)))
    return outcomes
  }

  async #attempt(batch: readonly Waiting[], isMore: () => boolean): Promise<readonly Outcome[]> {
    const { session, fresh } = await this.#sessions.get()
    if (fresh) this.#sequence.rewind(session.next)
    const start = this.#sequence.next
    try {
      return await this.#transaction(session, batch, isMore)
    } catch (error) {
      this.#sequence.rewind(start)
      if (isUnknown(error)) throw error
      await this.#sessions.rollback(session, error)
      const [only, ...others] = batch
      if (!(error instanceof LostLate) || only === undefined || others.length > 0) throw error
      return [await this.#deny(session, only, new Refused(error.refuse))]
    }
  }

  async #transaction(session: Session, batch: readonly Waiting[], isMore: () => boolean): Promise<readonly Outcome[]> {
    const plans = batch.map(({ plan }) => plan)
    const work = { plans, waves: wavesOf(plans) }
    const { logs, refused, version } = (await this.#atOnce(session, work)) ?? (await this.#stepByStep(session, work))
    await this.#commit(session, logs, isMore)
    this.#forget(batch)
    if (version !== null) this.#reads.advance(version)
    const committed = new Map(logs.map(([ordinal, rows]) => [ordinal, rows.committed]))
    return plans.map((_, ordinal) => outcomeOf(refused.get(ordinal), committed.get(ordinal)))
  }

  /**
   * Every statement is sent before the first is answered, but for BEGIN: they must not run outside of a transaction.
   * Null, and nothing is left of it, when somebody is refused.
   */
  async #atOnce(session: Session, work: Work): Promise<Written | null> {
    const { plans, waves } = work
    const start = this.#sequence.next
    const transaction = new Transaction(session.client, this.#names, plans)
    const { refused } = transaction
    const logs = this.#logsOf(work, refused)
    await this.#begin(session)
    const sent = [
      transaction.ask(LOCK[strongest(plans)]),
      ...waves.flatMap((wave) => transaction.send(wave)),
      transaction.write(logs.map(([, rows]) => rows)),
      transaction.ask(plans.some(isUrgent) ? NOTIFY_WRITTEN : null),
    ]
    const counted = isSeen(plans) ? transaction.nextVersion() : Promise.resolve(null)
    const answers = await Promise.allSettled([...sent, counted])
    // What comes behind a failure fails because of it.
    const failed = answers.find((answer) => answer.status === 'rejected')
    if (failed === undefined && refused.size === 0) return { refused, logs, version: await counted }
    if (failed !== undefined && !(failed.reason instanceof LostLate)) throw failed.reason
    await session.client.query('ROLLBACK')
    this.#sequence.rewind(start)
    return null
  }

  async #stepByStep(session: Session, work: Work): Promise<Written> {
    const { plans, waves } = work
    const transaction = new Transaction(session.client, this.#names, plans)
    await this.#begin(session)
    await transaction.ask(LOCK[strongest(plans)])
    for (const wave of waves) await transaction.run(wave)
    const { refused } = transaction
    const logs = this.#logsOf(work, refused)
    await transaction.write(logs.map(([, rows]) => rows))
    await transaction.ask(plans.some(isUrgent) ? NOTIFY_WRITTEN : null)
    return { refused, logs, version: isSeen(plans) ? await transaction.nextVersion() : null }
  }

  async #begin(session: Session): Promise<void> {
    const isBegun = this.#begun === session
    this.#begun = null
    if (!isBegun) await session.client.query(BEGIN)
  }

  /** Leaves and events in the order in which the commits count as run. */
  #logsOf({ plans, waves }: Work, refused: ReadonlyMap<number, Refused>): (readonly [number, LogRows])[] {
    return waves
      .flatMap(({ members }) => members)
      .map((ordinal) => {
        const plan = plans[ordinal] as Plan
        const lost = refused.get(ordinal)
        const rows =
          lost === undefined
            ? this.#sequence.permitted(plan.leaf, plan.events)
            : this.#sequence.denied(plan.leaf, lost.refusal)
        return [ordinal, rows] as const
      })
  }

  /** Writes only the leaf that says that a commit was refused. */
  async #deny(session: Session, { plan }: Waiting, { refusal }: Refused): Promise<Outcome> {
    const start = this.#sequence.next
    try {
      await session.client.query(BEGIN)
      const rows = this.#sequence.denied(plan.leaf, refusal)
      await new Transaction(session.client, this.#names, []).write([rows])
      await this.#commit(session, [[0, rows]], () => false)
      return { error: refusal }
    } catch (error) {
      this.#sequence.rewind(start)
      if (!isUnknown(error)) await this.#sessions.rollback(session, error)
      throw error
    }
  }

  async #commit(session: Session, logs: readonly (readonly [number, LogRows])[], isMore: () => boolean): Promise<void> {
    const next = this.#sequence.next
    const andBegin = isMore()
    try {
      const command = await firstCommand(session, andBegin ? COMMIT_AND_BEGIN : 'COMMIT')
      if (command !== 'COMMIT') throw storeError('STORE_UNAVAILABLE', { details: { command } })
      if (andBegin) this.#begun = session
    } catch (error) {
      const rows = logs.map(([, log]) => log)
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

/** What the database says it did at the first statement of a text: ROLLBACK, where a transaction could not be committed. */
async function firstCommand({ client }: Session, text: string): Promise<string> {
  const answer: unknown = await client.query(text)
  const [first] = (Array.isArray(answer) ? answer : [answer]) as readonly { readonly command: string }[]
  return first?.command ?? ''
}

function isSeen(plans: readonly Plan[]): boolean {
  return plans.some(({ changes }) => changes.some(isFelt))
}

function strongest(plans: readonly Plan[]): keyof typeof LOCK {
  const locks = new Set(plans.map(({ lock }) => lock))
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
