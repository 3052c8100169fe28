import type {
  Adoptions,
  ClockMarks,
  Counters,
  EnrollSessions,
  Firsts,
  Journal,
  Leases,
  OutboxSignal,
  Reader,
  Sequencer,
} from '#flows/ports.ts'
import { newId } from '#kernel/ids.ts'
import { HOUR, type Instant, type Milliseconds } from '#kernel/instant.ts'

/** Everything that stories and the server ask of a database. */
export interface Store
  extends Reader, Journal, Counters, Leases, Sequencer, OutboxSignal, ClockMarks, EnrollSessions, Firsts, Adoptions {
  readonly kind: 'sqlite' | 'postgresql'
  /**
   * Deletes replay entries and enroll sessions that expired before a moment, and what was reported long before it;
   * answers how many. Leaves no trace.
   */
  purge(before: Instant): Promise<number>
  /**
   * Deletes events from before a moment, but never those without a position, nor the newest, behind which positions
   * continue; answers how many.
   */
  purgeOutbox(before: Instant): Promise<number>
  /** @throws STORE_UNAVAILABLE unless the database answers */
  ping(): Promise<void>
  /** Refuses new commits, waits for those under way, lets go of everything. */
  close(): Promise<void>
}

/** How many rows get their position in one statement. */
export const SEQUENCED_AT_ONCE = 1000

/** How many rows are deleted at once. */
export const PURGE_CHUNK = 1000

/** Where the ids of events from a moment on begin. */
export function firstEventId(moment: Instant): string {
  return newId('event', moment, { bytes: (length) => new Uint8Array(length) })
}

/** By id, which has the time in it and an index. */
export function purgeOutboxSql(placeholder: string): string {
  const newest = '(SELECT max("position") FROM "Outbox")'
  const old = `SELECT "id" FROM "Outbox" WHERE "id" < ${placeholder} AND "position" < ${newest}
    ORDER BY "id" LIMIT ${String(PURGE_CHUNK)}`
  return `DELETE FROM "Outbox" WHERE "id" IN (${old})`
}

/** The tables whose rows mean nothing any more once they have expired. */
export const PERISHABLE = ['Replay', 'EnrollSession', 'SealingKey'] as const

/** An instance that was not seen for so long holds nothing that is valid: certificates live for a day at most. */
export const ADOPTION_KEPT: Milliseconds = 48 * HOUR

/**
 * In the order in which a replica wrote them; the position continues where the last one ended. Should another replica do
 * the same at once, what it has numbered meanwhile keeps its number, and a number that it has taken makes this one fail.
 */
export const SEQUENCE = {
  LogLeaf: sequenceSql('LogLeaf', 'hash', '"replica", "seq"'),
  Outbox: sequenceSql('Outbox', 'id', '"id"'),
} as const

function sequenceSql(table: string, key: string, order: string): string {
  const last = `coalesce((SELECT max("position") FROM "${table}"), -1)`
  const numbered = `SELECT "${key}", ${last} + row_number() OVER (ORDER BY ${order}) AS "position"
    FROM "${table}" WHERE "position" IS NULL ORDER BY ${order} LIMIT ${String(SEQUENCED_AT_ONCE)}`
  return `UPDATE "${table}" SET "position" = numbered."position" FROM (${numbered}) AS numbered
    WHERE "${table}"."${key}" = numbered."${key}" AND "${table}"."position" IS NULL`
}

/** Deletes chunk after chunk and lets others in between. */
export async function purgeInChunks(deleteChunk: () => Promise<number> | number): Promise<number> {
  let [total, deleted] = [0, 0]
  do {
    await new Promise((resolve) => setImmediate(resolve))
    deleted = await deleteChunk()
    total += deleted
  } while (deleted === PURGE_CHUNK)
  return total
}
