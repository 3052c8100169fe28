import type { AuthorityRecord, RevokingSigner } from '#authority/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { instant, MINUTE, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import {
  COMPLETE,
  isCrlDue,
  isCrlOverdue,
  isStillToBegin,
  type CrlEntryRecord,
  type CrlRecord,
} from '#revocation/index.ts'
import { LINES_AT_ONCE, parseCrlInSlices, type CrlEntry, type RevokedCertificate } from '#x509/index.ts'
import { otherWork } from '../other-work.ts'
import type { ListQuery } from '../ports.ts'
import type { CrlHealth, CrlPorts } from './ports.ts'
import { distributionPointOf, publishCrl } from './publish-crl.ts'
import { ShardEntries } from './shard-entries.ts'

/** A scope is signed again no sooner than this after the last time, however much is revoked. */
const SPACING: Milliseconds = 2 * SECOND
/** Large ones take their time to make: all of an authority get a twentieth of it, and still come within the minute (R13). */
const SHARE = 20
const LONGEST_SPACING: Milliseconds = 30 * SECOND
/** While the clock is known to be wrong, no CRL can begin sooner than the last; that often it is seen whether it is right. */
const RETRY: Milliseconds = MINUTE

interface Scope {
  readonly name: string
  readonly shards: readonly ShardEntries[]
  previous: CrlRecord | null
  /** Something of it has changed since. */
  isStale: boolean
  /** On the clock that cannot be set back. */
  notBefore: Milliseconds
  /** How long the last one took to make. */
  took: Milliseconds
  /** One that is still to begin is not replaced before this; on the clock that cannot be set back. */
  correctAt: Milliseconds
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

  constructor(ports: CrlPorts, authority: AuthorityRecord) {
    const { statusUrl, crlShards } = ports.profile
    this.#ports = ports
    this.authority = authority
    this.#shards = Array.from({ length: crlShards }, (_, shard) => new ShardEntries(ports.reader, authority.id, shard))
    // Where no certificate names a shard, there is nothing that a CRL of one could say of itself: without a place to
    // publish, and under a root, which signs few.
    const isParted = statusUrl !== null && authority.kind === 'x509'
    const parts = !isParted ? [] : this.#shards.map((shard, index) => scopeOf(String(index), [shard]))
    this.#scopes = new Map([...parts, scopeOf(COMPLETE, this.#shards)].map((scope) => [scope.name, scope]))
  }

  /** Everything that is stored, the first time. */
  async load(): Promise<void> {
    for await (const row of this.#published()) {
      const scope = this.#scopes.get(row.scope)
      if (scope !== undefined) scope.previous = row
      this.#ports.crls.keep(row)
    }
    for (const shard of this.#shards) await shard.catchUp(this.#ports.clock.now())
    // By what they list and not by when: whoever held the lease before may have had another clock.
    for (const scope of this.#scopes.values()) scope.isStale = !(await isUpToDate(scope, this.#pointOf(scope.name)))
  }

  #pointOf(scope: string): string | null {
    return distributionPointOf(this.#ports.profile.statusUrl, this.authority.id, scope)
  }

  /** What others have added since: it has not come by `take`. */
  async lookAround(): Promise<void> {
    for (const [index, shard] of this.#shards.entries()) {
      if (await shard.catchUp(this.#ports.clock.now())) this.#hasChanged(index)
    }
  }

  /** A line that is stored by now. */
  take(entry: CrlEntryRecord): void {
    if (this.#shards[entry.shard]?.take(entry) === true) this.#hasChanged(entry.shard)
  }

  #hasChanged(shard: number): void {
    for (const name of [String(shard), COMPLETE]) {
      const scope = this.#scopes.get(name)
      if (scope !== undefined) scope.isStale = true
    }
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

  /** The scopes that have to be published now. */
  due(now: Instant, monotonic: Milliseconds): readonly string[] {
    const { notAfter: end } = this.authority
    const due = [...this.#scopes.values()].filter(
      ({ isStale, previous, notBefore, correctAt }) =>
        isCrlDue({ previous, end }, now) ||
        (isStale && monotonic >= notBefore) ||
        (isStillToBegin(previous, now) && monotonic >= correctAt),
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
    const listed = (thisUpdate: Instant): readonly CrlEntry[] => {
      // One from a time that has not come was issued before the end of what it left out.
      const last = previous !== null && previous.thisUpdate > thisUpdate ? null : previous
      return scope.shards.flatMap((shard) => shard.listed(thisUpdate, last))
    }
    // What comes while it is made is for the next one.
    scope.isStale = false
    try {
      scope.previous = await publishCrl(this.#ports, { signer, scope: name, previous, listed })
    } catch (error) {
      scope.isStale = true
      throw error
    }
    scope.took = clock.monotonic() - began
    scope.correctAt = isStillToBegin(scope.previous, clock.now()) ? began + RETRY : 0
    const together = [...this.#scopes.values()].reduce((sum, { took }) => sum + took, 0)
    scope.notBefore = began + Math.min(LONGEST_SPACING, Math.max(SPACING, together * SHARE))
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
  return { name, shards, previous: null, isStale: false, notBefore: 0, took: 0, correctAt: 0 }
}

/** Whether what was published last says exactly what its successor would. */
async function isUpToDate({ previous, shards }: Scope, point: string | null): Promise<boolean> {
  if (previous === null) return false
  const { der, thisUpdate } = previous
  const published = await parseCrlInSlices(der, { maxBytes: der.length, maxEntries: der.length }, otherWork)
  if ((published.scope?.distributionPoint ?? null) !== point) return false
  const now = shards.flatMap((shard) => shard.listed(thisUpdate, previous))
  if (now.length !== published.entries.length) return false
  const known = new Set<string>()
  await eachInTurn(published.entries, (entry) => known.add(lineOf(entry)))
  let isSame = true
  await eachInTurn(now, (entry) => {
    isSame &&= known.has(lineOf(entry))
  })
  return isSame
}

async function eachInTurn<Line>(lines: readonly Line[], work: (line: Line) => unknown): Promise<void> {
  for (const [index, line] of lines.entries()) {
    work(line)
    if (index % LINES_AT_ONCE === 0) await otherWork()
  }
}

function lineOf({ serial, reason }: RevokedCertificate): string {
  return `${toHex(serial)} ${reason}`
}
