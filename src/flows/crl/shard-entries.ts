import { instant, type Instant } from '#kernel/instant.ts'
import { encodedEntry, isSpent, OVERLAP, type CrlEntryRecord, type CrlRecord } from '#revocation/index.ts'
import type { CrlEntry } from '#x509/index.ts'
import type { ListQuery, Reader } from '../ports.ts'

const PAGE = 1000

interface Line {
  readonly record: CrlEntryRecord
  readonly encoded: CrlEntry
}

/**
 * What the CRLs of one shard list, kept encoded, so that a revocation costs the reading of one line and not of all.
 */
export class ShardEntries {
  readonly #reader: Reader
  readonly #authority: string
  readonly #shard: number
  readonly #lines = new Map<string, Line>()
  /** The newest line that was read; null before the first time. */
  #readUpTo: Instant | null = null

  constructor(reader: Reader, authority: string, shard: number) {
    this.#reader = reader
    this.#authority = authority
    this.#shard = shard
  }

  get size(): number {
    return this.#lines.size
  }

  /**
   * Reads what was added since the last time, all of it at first. Answers when the newest of what had changed was
   * added, and null when nothing had.
   */
  async catchUp(): Promise<Instant | null> {
    const from = instant(Math.max(0, (this.#readUpTo ?? 0) - OVERLAP))
    let newest: Instant | null = null
    for await (const record of this.#since(from)) {
      if (!this.#take(record)) continue
      newest = instant(Math.max(newest ?? 0, record.addedAt))
    }
    this.#readUpTo = instant(Math.max(this.#readUpTo ?? 0, newest ?? 0))
    return newest
  }

  async *#since(from: Instant): AsyncGenerator<CrlEntryRecord> {
    const where = { authority: this.#authority, shard: this.#shard, addedAt: { gte: from } }
    for (let after: string | undefined; ;) {
      const query: ListQuery<'CrlEntry'> = { where, limit: PAGE, ...(after === undefined ? {} : { after }) }
      const page: readonly CrlEntryRecord[] = await this.#reader.list('CrlEntry', query)
      yield* page
      if (page.length < PAGE) return
      after = page.at(-1)?.serial
    }
  }

  /** Whether it says anything new. */
  #take(record: CrlEntryRecord): boolean {
    if (this.#lines.get(record.serial)?.record.reason === record.reason) return false
    this.#lines.set(record.serial, { record, encoded: encodedEntry(record, record.revokedAt) })
    return true
  }

  /** What a CRL of that moment lists which follows `previous`. */
  listed(thisUpdate: Instant, previous: CrlRecord | null): readonly CrlEntry[] {
    const lines = [...this.#lines.values()].filter(({ record }) => !isSpent(record, previous))
    // The clock may have been set back since: nothing is listed as taken back in the future (R10).
    return lines.map(({ record, encoded }) =>
      encoded.revokedAt <= thisUpdate ? encoded : encodedEntry(record, thisUpdate),
    )
  }

  /** Serials of lines that no CRL will list any more (R8). */
  spent(previous: readonly (CrlRecord | null)[]): readonly string[] {
    const lines = [...this.#lines.values()].filter(({ record }) => previous.every((crl) => isSpent(record, crl)))
    return lines.map(({ record }) => record.serial)
  }

  drop(serials: readonly string[]): void {
    for (const serial of serials) this.#lines.delete(serial)
  }
}
