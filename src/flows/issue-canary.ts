import { AuthoritySet, candidateSigner, checkCanary, throwawayKey, type AuthorityRecord } from '#authority/index.ts'
import { prepareCanary, sign } from '#issuance/index.ts'
import { ownGuards } from './issuance-guards.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import { recordIntent, recordIssued } from './record-certificate.ts'

export interface CanaryOrder {
  readonly actor: string
  /** Published, so that it is among what everybody trusts. */
  readonly candidate: AuthorityRecord
  readonly records: readonly AuthorityRecord[]
}

/**
 * Lets an X.509 authority sign a trial leaf before it signs for others, and verifies that leaf as a peer would. It is
 * recorded like every certificate: nothing is signed that is not.
 * @throws AUTHORITY_CANARY_FAILED, KEY_…, what `sign` throws
 */
export async function issueCanary(
  ports: Omit<AuthorityPorts, 'authorities'>,
  { actor, candidate, records }: CanaryOrder,
): Promise<void> {
  const { journal, clockGuard, profile, keys, random } = ports
  // 1. The clock is right.
  const issuedAt = await clockGuard.check()
  // 2. Build a leaf for a key that nobody has, and lint it.
  const signer = candidateSigner(candidate, await keys.open(candidate.keyReference, candidate.publicKey))
  const made = prepareCanary({ signer, publicKey: throwawayKey(), issuance: profile, issuedAt, random })
  // 3. Commit the intent with its audit leaf.
  const receipt = await recordIntent(journal, {
    made,
    leaf: { type: 'certificate.intent', actor, inputDigest: null, policy: null, commitments: { canary: candidate.id } },
    guards: ownGuards(profile, made.record, ['published']),
    changes: [],
  })
  // 4. Sign, verify, compare, lint.
  const issued = await sign(made.prepared, receipt)
  // 5. Commit issued.
  await recordIssued(journal, issued, { actor, changes: [] })
  // 6. Verify it as any peer would, over what everybody trusts by now.
  const { trustDomain } = profile
  const set = AuthoritySet.of({ trustDomain, records, signers: new Map() })
  const chain = set.chainFor(candidate.id)
  checkCanary({ leaf: issued.certificate, chain, anchors: set.anchors(), trustDomain, now: issuedAt })
}
