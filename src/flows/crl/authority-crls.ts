import type { AuthorityRecord, RevokingSigner } from '#authority/index.ts'
import { instant, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import { COMPLETE, isCrlDue, isCrlOverdue, OVERLAP, type CrlRecord } from '#revocation/index.ts'
import type { CrlEntry } from '#x509/index.ts'
import type { ListQuery } from '../ports.ts'
import type { CrlHealth, CrlPorts } from './ports.ts'
import { publishCrl } from './publish-crl.ts'
import { ShardEntries } from './shard-entries.ts'

/** A scope is signed again no sooner than this after the last time, however much is revoked. */
const SPACING: Milliseconds = 2 * SECOND
/** Large ones take their time to make: they get a twentieth of it, and still come within the minute (R13). */
const SHARE = 20
const LONGEST_SPACING: Milliseconds = 30 * SECOND

interface Scope {
  readonly name: string
  readonly shards: readonly ShardEntries[]
  previous: CrlRecord | null
  /** Something of it has changed since. */
  isStale: boolean
  /** On the clock that cannot be set back. */
  notBefore: Milliseconds
}

/**
 * The CRLs of one authority as whoever publishes them has them in memory: what each lists, and which was published
 * last.
 */
export class AuthorityCrls {
  readonly #ports: CrlPorts
  readonly authority: AuthorityRecord
  readonly #shards: readonly ShardEntries[]
  readonly #scopes: ReadonlyMap<string, Scope>
  #isLoaded = false

  constructor(ports: CrlPorts, authority: AuthorityRecord) {
    const { statusUrl, crlShards } = ports.profile
    this.#ports = ports
    this.authority = authority
    this.#shards = Array.from({ length: crlShards }, (_, shard) => new ShardEntries(ports.reader, authority.id, shard))
    // Where no certificate names a shard, there is nothing that a CRL of one could say of itself.
    const parts = statusUrl === null ? [] : this.#shards.map((shard, index) => scopeOf(String(index), [shard]))
    this.#scopes = new Map([...parts, scopeOf(COMPLETE, this.#shards)].map((scope) => [scope.name, scope]))
  }

  /** What is stored, the first time; later what was added to these shards. */
  async catchUp(shards: Iterable<number>): Promise<void> {
    if (!this.#isLoaded) await this.#load()
    else for (const shard of shards) await this.#read(shard)
  }

  async #load(): Promise<void> {
    for await (const row of this.#published()) {
      const scope = this.#scopes.get(row.scope)
      if (scope !== undefined) scope.previous = row
      this.#ports.crls.keep(row)
    }
    for (let shard = 0; shard < this.#shards.length; shard++) await this.#read(shard)
    this.#isLoaded = true
  }

  async *#published(): AsyncGenerator<CrlRecord> {
    const where = { authority: this.authority.id }
    for (let after: string | undefined; ;) {
      const query: ListQuery<'Crl'> = { where, limit: ROWS, ...(after === undefined ? {} : { after }) }
      const page: readonly CrlRecord[] = await this.#ports.reader.list('Crl', query)
      yield* page
      if (page.length < ROWS) return
      after = page.at(-1)?.id
    }
  }

  async #read(shard: number): Promise<void> {
    const newest = (await this.#shards[shard]?.catchUp()) ?? null
    if (newest === null) return
    for (const name of [String(shard), COMPLETE]) {
      const scope = this.#scopes.get(name)
      // What was there when a CRL was made is on it.
      if (scope !== undefined && newest >= (scope.previous?.thisUpdate ?? 0) - OVERLAP) scope.isStale = true
    }
  }

  /** The scopes that have to be published now. */
  due(now: Instant, monotonic: Milliseconds): readonly string[] {
    const { notAfter: end } = this.authority
    const due = [...this.#scopes.values()].filter(
      ({ isStale, previous, notBefore }) => isCrlDue({ previous, end }, now) || (isStale && monotonic >= notBefore),
    )
    return due.map(({ name }) => name)
  }

  /** @throws as `publishCrl`; what was published before is still served then */
  async publish(name: string, signer: RevokingSigner): Promise<void> {
    const scope = this.#scopes.get(name)
    if (scope === undefined) return
    const { clock } = this.#ports
    const { previous } = scope
    const began = clock.monotonic()
    const listed = (thisUpdate: Instant): readonly CrlEntry[] =>
      scope.shards.flatMap((shard) => shard.listed(thisUpdate, previous))
    // What comes while it is made is for the next one.
    scope.isStale = false
    try {
      scope.previous = await publishCrl(this.#ports, { signer, scope: name, previous, listed })
    } catch (error) {
      scope.isStale = true
      throw error
    }
    const took = clock.monotonic() - began
    scope.notBefore = began + Math.min(LONGEST_SPACING, Math.max(SPACING, took * SHARE))
  }

  /** Whether relying parties would soon be left without one. */
  isOverdue(now: Instant): boolean {
    return [...this.#scopes.values()].some(({ previous }) => isCrlOverdue(previous, now))
  }

  get health(): CrlHealth {
    const rows = [...this.#scopes.values()].map(({ previous }) => previous)
    const present = rows.filter((row) => row !== null)
    const isWhole = present.length === rows.length
    return {
      authority: this.authority.id,
      oldest: isWhole ? instant(Math.min(...present.map(({ thisUpdate }) => thisUpdate))) : null,
      entries: this.#shards.reduce((sum, { size }) => sum + size, 0),
      bytes: present.reduce((sum, { der }) => sum + der.length, 0),
    }
  }

  /** Serials of lines that have been on every CRL that had to list them (R8). */
  get spent(): readonly string[] {
    const complete = this.#scopes.get(COMPLETE)?.previous ?? null
    return this.#shards.flatMap((shard, index) => {
      const own = this.#scopes.get(String(index))
      return shard.spent(own === undefined ? [complete] : [own.previous, complete])
    })
  }

  /** They are no longer stored. */
  drop(serials: readonly string[]): void {
    for (const shard of this.#shards) shard.drop(serials)
  }
}

const ROWS = 200

function scopeOf(name: string, shards: readonly ShardEntries[]): Scope {
  return { name, shards, previous: null, isStale: false, notBefore: 0 }
}
