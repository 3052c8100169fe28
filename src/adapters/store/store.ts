import type { ClockMarks, Counters, Journal, Leases, Reader } from '#flows/ports.ts'
import type { Instant } from '#kernel/instant.ts'

/** Everything that stories and the server ask of a database. */
export interface Store extends Reader, Journal, Counters, Leases, ClockMarks {
  readonly kind: 'sqlite' | 'postgresql'
  /** Deletes replay entries and enroll sessions that expired before a moment; answers how many. Leaves no trace. */
  purge(before: Instant): Promise<number>
  /**
   * Gives at most `limit` leaves and as many events that have none their position in the order that all readers follow:
   * without gaps, and never behind one that is already given. For the holder of the sequencer's lease; a second one at
   * the same time fails and changes nothing. @throws STORE_CONFLICT
   */
  sequence(limit: number): Promise<Sequenced>
  /** @throws STORE_UNAVAILABLE unless the database answers */
  ping(): Promise<void>
  /** Refuses new commits, waits for those under way, lets go of everything. */
  close(): Promise<void>
}

/** How many were given a position. */
export interface Sequenced {
  readonly leaves: number
  readonly events: number
}

/** The tables whose rows mean nothing any more once they have expired. */
export const PERISHABLE = ['Replay', 'EnrollSession'] as const

/** How many of them are deleted at once. */
export const PURGE_CHUNK = 1000

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
