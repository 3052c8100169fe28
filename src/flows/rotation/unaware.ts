import { isMeasured, sequenceWith, standIn } from '#authority/index.ts'
import type { Reader } from '../ports.ts'
import type { AffectedQuestion } from './affected.ts'
import { readAdoptionFacts } from './gates.ts'

/** Who would be locked out by a taint, until they have the bundle: they do not hold the one that signs from then on. */
export interface Unaware {
  readonly instances: number
  /** There are too many to look at all of them. */
  readonly more: boolean
  /** The first of them, SPIFFE IDs. */
  readonly first: readonly string[]
}

const SHOWN = 20

/**
 * Measured by what the living have said that they hold, where a successor takes over from what is in their bundle; null
 * for any other step. Under a root nobody has to know an issuing authority: it is sent along. @throws what the reader throws
 */
export async function findUnaware(
  reader: Reader,
  { step, subject, records, now }: AffectedQuestion,
): Promise<Unaware | null> {
  if (step !== 'taint' || subject.state !== 'active' || !isMeasured(subject.kind)) return null
  if (subject.kind === 'x509' && subject.issuer !== null) return { instances: 0, more: false, first: [] }
  const next = standIn(subject, records, now)
  // One that is still to be made or published nobody holds.
  const wanted = next === undefined ? null : sequenceWith(next, records)
  const { living, complete } = await readAdoptionFacts(reader, now)
  const without = living.filter(({ sequence }) => wanted === null || sequence === null || sequence < wanted)
  const names = without.map(({ spiffeId }) => spiffeId).toSorted()
  return { instances: without.length, more: !complete, first: names.slice(0, SHOWN) }
}
