import type { ClockMarks, Counters, Journal, Leases, Reader } from '#flows/ports.ts'
import type { Instant } from '#kernel/instant.ts'

/** Everything that stories and the server ask of a database. */
export interface Store extends Reader, Journal, Counters, Leases, ClockMarks {
  readonly kind: 'sqlite' | 'postgresql'
  /** Deletes replay entries and enroll sessions that expired before a moment; answers how many. Leaves no trace. */
  purge(before: Instant): Promise<number>
  /** @throws STORE_UNAVAILABLE unless the database answers */
  ping(): Promise<void>
  /** Refuses new commits, waits for those under way, lets go of everything. */
  close(): Promise<void>
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
