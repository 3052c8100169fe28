import { attested as make, type AttestedFacts } from '#attestation/attested.ts'
import type { Attested } from '#attestation/index.ts'
import { instant } from '#kernel/instant.ts'

/** What an attestor of a later kind will prove, until there is one: evidence with selectors. */
export function attestedWith(facts: Partial<AttestedFacts>): Attested {
  return make({
    attestor: 'tpm',
    selectors: [],
    evidenceDigest: '11'.repeat(32),
    evidenceSalt: '22'.repeat(16),
    keyClass: 'tpm',
    keyClassSource: 'attested',
    at: instant(0),
    namedAgent: null,
    consumption: null,
    ...facts,
  })
}
