import { auditError } from './errors.ts'
import type { LeafDraft } from './leaf.ts'
import type { CommitPort } from './ports.ts'
import { receiptOf, type Receipt } from './receipt.ts'

/**
 * Commits a story and hands out the receipt once everything of it is durable. Rejects with the refusal of the guard or
 * change that lost (its denial leaf is then written), or with the store's failure: then there is no receipt.
 * @throws AUDIT_NOT_A_PERMIT when the leaf says deny: nothing is committed
 */
export async function record<Commit extends { readonly leaf: LeafDraft }>(
  journal: CommitPort<Commit>,
  commit: Commit,
): Promise<Receipt> {
  const { leaf } = commit
  if (leaf.decision !== 'permit') throw auditError('AUDIT_NOT_A_PERMIT', { details: { type: leaf.type } })
  const entry = await journal.commit(commit)
  return receiptOf(entry, { object: leaf.object, commitments: leaf.commitments })
}

/** A leaf without a story: nothing is guarded, nothing changes. */
export interface DenialCommit {
  readonly lock: 'none'
  readonly guards: readonly []
  readonly changes: readonly []
  readonly leaf: LeafDraft
  readonly events: readonly []
}

/** What of a leaf a denial may leave out. */
export type Denial = Pick<LeafDraft, 'type' | 'actor' | 'object'> &
  Partial<Pick<LeafDraft, 'inputDigest' | 'policy' | 'commitments' | 'private'>> & {
    /** Code of the error that the caller gets. */
    readonly code: string
  }

/** Writes down that an authenticated caller was refused before there was anything to commit. */
export async function recordDenial(journal: CommitPort<DenialCommit>, denial: Denial): Promise<void> {
  const { code, type, actor, object, inputDigest = null, policy = null, commitments = {} } = denial
  const decision = `deny:${code}` as const
  const leaf = { type, actor, object, decision, inputDigest, policy, commitments }
  const { private: values } = denial
  const draft = values === undefined ? leaf : { ...leaf, private: values }
  await journal.commit({ lock: 'none', guards: [], changes: [], leaf: draft, events: [] })
}
