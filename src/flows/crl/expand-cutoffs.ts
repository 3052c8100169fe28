import { record } from '#audit/index.ts'
import { isOfflineRoot, type AuthorityRecord } from '#authority/index.ts'
import type { CertificateRecord, IssuanceProfile } from '#issuance/index.ts'
import { toHex, utf8 } from '#kernel/bytes.ts'
import { sha256Hex } from '#kernel/digest.ts'
import { HOUR, instant, MINUTE, type Instant } from '#kernel/instant.ts'
import {
  crlEntryOf,
  FOR_EVER,
  isListable,
  LONGEST_LEAF,
  OVERLAP,
  type CrlEntryRecord,
  type CutoffRecord,
} from '#revocation/index.ts'
import { parseCertificate, parsePublicKey } from '#x509/index.ts'
import type { Commit, Reader, StoryPorts } from '../ports.ts'
import { cutoffsSince } from '../revoke/cutoffs-since.ts'
import { certificatesCutOff } from '../revoke/reach.ts'
import { ENTRIES_AT_ONCE, recordEntries } from './record-entries.ts'
import { linesTold, revocationsBehind } from './revocations-told.ts'

export const CUTOFF_MARK = 'crl-cutoffs'
/** Up to which position of the outbox, plus one. */
export const EVENT_MARK = 'crl-events'

/** The kinds that reach certificates. */
const REACHING: readonly CutoffRecord['kind'][] = [
  'trust-domain',
  'authority',
  'node',
  'agent',
  'instance',
  'lineage',
  'spki',
  'evidence',
  'selector',
]

export interface ExpansionPorts extends Pick<StoryPorts, 'reader' | 'journal' | 'clock'> {
  readonly profile: Pick<IssuanceProfile, 'publicUrl'>
}

/**
 * Spells cutoffs out as lines of CRLs: run every second by whoever holds the lease. A crash anywhere leaves lines that
 * are found the next time, and a mark that is too old, never one that is too new. Revocations of a single certificate
 * write their line themselves.
 *
 * Cutoffs are looked for twice. By their own time they are there at once, also while nobody gives positions; by their
 * event's position in the outbox none is missed, whatever the clock of the replica said that wrote it: revoking is
 * allowed to those whose clock is wrong.
 */
export class CutoffExpansion {
  readonly #ports: ExpansionPorts
  readonly #onAdded: (entries: readonly CrlEntryRecord[]) => void
  /** Cutoffs within the overlap that are done; null before the mark was read. */
  #done: Map<string, Instant> | null = null
  #mark: Instant = instant(0)
  /** Every event of the outbox up to here was read. */
  #position = -1
  /** Where the clock was when it was furthest ahead. */
  #latest: Instant = instant(0)

  /** `onAdded` is told of lines as soon as they are durable. */
  constructor(ports: ExpansionPorts, onAdded: (entries: readonly CrlEntryRecord[]) => void) {
    this.#ports = ports
    this.#onAdded = onAdded
  }

  /** Somebody else does it now: what is known here is not gone by any more. */
  forget(): void {
    this.#done = null
  }

  /** Answers how many cutoffs it has spelled out. @throws what the store throws, CRL_CHANGED; it goes on from there */
  async run(): Promise<number> {
    // 1. Where this replica, or whoever held the lease before, has come to.
    const began = this.#ports.clock.now()
    const done = (this.#done ??= await this.#resume())
    this.#notice(began, done)
    // 2. Every cutoff since then, and a while before: clocks differ, and transactions end late.
    const from = instant(Math.max(0, Math.min(this.#mark, began) - OVERLAP))
    let count = 0
    for await (const cutoffs of cutoffsSince(this.#ports.reader, from)) {
      count += await this.#expandNew(cutoffs, done)
    }
    // 3. What was written under a clock that is further behind.
    count += await this.#followEvents(done)
    // 4. Go on from here the next time.
    await this.#advance(began, count)
    return count
  }

  async #resume(): Promise<Map<string, Instant>> {
    const { reader } = this.#ports
    this.#mark = instant((await reader.find('Mark', { name: CUTOFF_MARK }))?.at ?? 0)
    this.#latest = this.#mark
    this.#position = ((await reader.find('Mark', { name: EVENT_MARK }))?.at ?? 0) - 1
    return new Map()
  }

  /**
   * While the clock ran ahead, living certificates were taken for ended and left out: once it is right again, everything
   * is looked at once more that can reach one of them.
   */
  #notice(began: Instant, done: Map<string, Instant>): void {
    if (began >= this.#latest - OVERLAP) {
      this.#latest = instant(Math.max(this.#latest, began))
      return
    }
    done.clear()
    this.#mark = instant(Math.max(0, began - LONGEST_LEAF))
    this.#latest = began
  }

  async #expandNew(cutoffs: readonly CutoffRecord[], done: Map<string, Instant>): Promise<number> {
    let count = 0
    for (const cutoff of cutoffs) {
      if (!REACHING.includes(cutoff.kind) || done.has(keyOf(cutoff))) continue
      await this.#expand(cutoff)
      done.set(keyOf(cutoff), cutoff.createdAt)
      count++
    }
    return count
  }

  /** So many events at a time: whoever has just taken over keeps what is new from waiting for what is old. */
  async #followEvents(done: Map<string, Instant>): Promise<number> {
    const { events, next } = await revocationsBehind(this.#ports.reader, this.#position)
    let count = 0
    for (const { data } of events) {
      const told = await linesTold(this.#ports, data)
      count += await this.#expandNew(told.cutoffs, done)
      if (told.lines.length > 0) this.#onAdded(told.lines)
    }
    this.#position = next
    return count
  }

  async #expand(cutoff: CutoffRecord): Promise<void> {
    const { clock } = this.#ports
    const because = `cutoff:${sha256Hex(utf8(cutoff.key))}`
    for await (const certificates of this.#reached(cutoff)) {
      const listable = await this.#listable(certificates)
      const entries = entriesOf(listable, cutoff, clock.now())
      for (let at = 0; at < entries.length; at += ENTRIES_AT_ONCE) {
        const added = await recordEntries(this.#ports, entries.slice(at, at + ENTRIES_AT_ONCE), because)
        if (added.length > 0) this.#onAdded(added)
      }
    }
  }

  /** An authority that never signs again is taken back itself, too, by the root that signed it. */
  async *#reached(cutoff: CutoffRecord): AsyncGenerator<readonly CertificateRecord[]> {
    const { reader, clock } = this.#ports
    yield* certificatesCutOff(reader, cutoff, clock.now())
    if (cutoff.kind !== 'authority' || cutoff.before < FOR_EVER) return
    const own = await ownCertificate(reader, cutoff.value)
    if (own !== null) yield [own]
  }

  /** Of authorities those that a root at hand has signed: nobody says anything of what has signed itself. */
  async #listable(certificates: readonly CertificateRecord[]): Promise<readonly CertificateRecord[]> {
    if (certificates.every(({ kind }) => kind !== 'authority')) return certificates
    const issuers = new Set(certificates.map(({ authority }) => authority))
    const rows = await this.#ports.reader.list('Authority', {
      where: { id: { in: [...issuers] }, kind: 'x509-root' },
      limit: ENTRIES_AT_ONCE,
    })
    const roots = new Map(rows.map((root) => [root.id, root]))
    return certificates.filter((one) => one.kind !== 'authority' || isSignedBy(one, roots.get(one.authority)))
  }

  /** The stored mark moves seldom: it only says how much is looked at again after a change of hands. */
  async #advance(began: Instant, count: number): Promise<void> {
    const age = began - this.#mark
    if (age > (count > 0 ? MINUTE : HOUR)) {
      await record<Commit>(this.#ports.journal, {
        lock: 'none',
        guards: [],
        changes: [
          { op: 'replace', table: 'Mark', row: { name: CUTOFF_MARK, at: began } },
          { op: 'replace', table: 'Mark', row: { name: EVENT_MARK, at: instant(this.#position + 1) } },
        ],
        leaf: {
          type: 'crl.expanded',
          actor: 'system',
          object: `mark:${CUTOFF_MARK}`,
          decision: 'permit',
          inputDigest: null,
          policy: null,
          commitments: { at: String(began), position: String(this.#position) },
        },
        events: [],
      })
      this.#mark = began
    }
    for (const [key, createdAt] of this.#done ?? []) {
      if (createdAt < this.#mark - OVERLAP) this.#done?.delete(key)
    }
  }
}

/** A raised cutoff reaches further, or for another reason: it is another one. */
function keyOf({ key, before, reason }: CutoffRecord): string {
  return `${key} ${String(before)} ${reason}`
}

/** Null where another trust domain's root, or a ceremony's of which nothing is known, has signed it. */
async function ownCertificate(reader: Reader, id: string): Promise<CertificateRecord | null> {
  const authority = await reader.find('Authority', { id })
  if (authority?.kind !== 'x509' || authority.certificate === null) return null
  return reader.find('Certificate', { serial: toHex(parseCertificate(authority.certificate).serial) })
}

function isSignedBy({ spkiHash }: CertificateRecord, root: AuthorityRecord | undefined): boolean {
  return root !== undefined && !isOfflineRoot(root) && toHex(parsePublicKey(root.publicKey).spkiHash) !== spkiHash
}

function entriesOf(
  certificates: readonly CertificateRecord[],
  { reason, createdAt }: CutoffRecord,
  now: Instant,
): readonly CrlEntryRecord[] {
  return certificates
    .filter((certificate) => isListable(certificate, now))
    .map((certificate) => crlEntryOf(certificate, { reason, at: createdAt, now }))
}
