import { MINUTE, type Instant } from '#kernel/instant.ts'
import type { AuthorityRecord } from './records.ts'

/** Clocks of replicas differ by less than this; changes that are nearer to one another are not put in order. */
const APART = 2 * MINUTE

/**
 * A sequence of the bundle from which on it surely holds what was published: never less than the one of its
 * publication. Of the changes since, those are taken off that surely came later; what is not known to have come later
 * only makes it higher, which lets a gate open later and never too early. Null for what nobody can have fetched.
 */
export function sequenceWith(subject: AuthorityRecord, records: readonly AuthorityRecord[]): bigint | null {
  if (subject.publishedAt === null) return null
  const since = subject.publishedAt + APART
  return records.reduce((sum, record) => sum + BigInt(record.version - changesSince(record, since)), 0n)
}

/** How often a record was surely changed after a moment, at least. */
function changesSince(
  { version, createdAt, publishedAt, activatedAt, retiredAt }: AuthorityRecord,
  since: number,
): number {
  if (createdAt > since) return version
  return [publishedAt, activatedAt, retiredAt].filter((at) => at !== null && at > since).length
}

/** An instance with a certificate that is in force. */
export interface LivingInstance {
  readonly instance: string
  readonly spiffeId: string
  /** Of the bundle that it said it holds; null when it was never heard of. */
  readonly sequence: bigint | null
}

export interface Adoption {
  readonly living: number
  /** Those whose bundle holds the authority in question. */
  readonly holding: number
  /** From 0 to 1; where nobody lives, nobody is behind. */
  readonly ratio: number
  /** False where somebody must know it who does not report: then full adoption proves nothing. */
  readonly measured: boolean
}

export interface AdoptionFacts {
  readonly living: readonly LivingInstance[]
  /** False when there are more than were looked at. */
  readonly complete: boolean
  /** For each registered receiver, who may act for it: SPIFFE IDs, an agent's for all of its instances. */
  readonly receivers: readonly (readonly string[])[]
}

/**
 * How far the trust in something has come, as measured. Receivers are measured when one of those who act for them is
 * enrolled and living, since it reports like everybody else.
 */
export function adoptionOf(wanted: bigint, { living, complete, receivers }: AdoptionFacts): Adoption {
  const holding = living.filter(({ sequence }) => sequence !== null && sequence >= wanted).length
  const isLiving = (id: string) => living.some(({ spiffeId }) => spiffeId === id || spiffeId.startsWith(`${id}/`))
  const measured = complete && receivers.every((ids) => ids.some(isLiving))
  const ratio = living.length === 0 ? 1 : holding / living.length
  return { living: living.length, holding, ratio, measured }
}

/** Everybody who is concerned has said so. Where nobody has said anything, nothing was measured. */
export function isAdopted({ living, holding, measured }: Adoption): boolean {
  return measured && living > 0 && holding === living
}

/** What holds a step, or lets it pass. */
export interface Gate {
  readonly step: 'activate' | 'retire'
  readonly open: boolean
  readonly because:
    | 'nothing-to-wait-for'
    | 'adopted'
    | 'time'
    | 'not-propagated'
    | 'certificates-in-force'
    | 'tokens-in-force'
    | 'authorities-in-force'
  /** When time opens it, if it is closed; null when time alone does not. */
  readonly opensAt: Instant | null
  readonly adoption: Adoption | null
}
