import { cacheableFor, COMPLETE, revocationError } from '#revocation/index.ts'
import type { StoryPorts } from '../ports.ts'
import type { CrlShelf, ServedCrl } from './crl-shelf.ts'

export interface ShownCrl extends ServedCrl {
  /** Seconds for which it may be kept without asking again. */
  readonly maxAge: number
}

export interface ShowCrlRequest {
  readonly authority: string
  /** The number of a shard; null for the CRL of everything. */
  readonly shard: string | null
}

/** What relying parties fetch: signed long before they ask. @throws CRL_NOT_FOUND, STORE_… when it was never read here */
export async function showCrl(
  { shelf, clock }: Pick<StoryPorts, 'clock'> & { readonly shelf: CrlShelf },
  { authority, shard }: ShowCrlRequest,
): Promise<ShownCrl> {
  // The word is a name of ours, and no shard.
  if (shard === COMPLETE) throw revocationError('CRL_NOT_FOUND')
  const crl = await shelf.find(authority, shard ?? COMPLETE)
  return { ...crl, maxAge: cacheableFor(crl, clock.now()) }
}
