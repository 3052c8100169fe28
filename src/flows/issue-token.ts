import { record, type LeafDraft } from '#audit/index.ts'
import { sign, type PreparedToken } from '#issuance/index.ts'
import { authorityGuard } from './issuance-guards.ts'
import type { Commit, Journal } from './ports.ts'

/** The commit of a token's story; what it must commit to, and for which token, is filled in from what was prepared. */
export type TokenCommit = Omit<Commit, 'leaf' | 'lock'> & {
  readonly leaf: Omit<LeafDraft, 'object' | 'decision' | 'commitments'> & Partial<Pick<LeafDraft, 'commitments'>>
}

export interface IssueJwtOrder {
  readonly prepared: PreparedToken
  readonly commit: TokenCommit
}

/**
 * Promise 1 for tokens, which are recorded once: their row is the story's own change. A crash after point 1 leaves a
 * recorded token that nobody holds, and that ends in minutes.
 * @throws ISSUANCE_AUTHORITY_CHANGED where another replica has tainted the key meanwhile, the refusals of the guards and
 *   changes, what `sign` throws
 */
export async function issueJwt(ports: { readonly journal: Journal }, order: IssueJwtOrder): Promise<string> {
  const { prepared, commit } = order
  // 1. Record the token with its audit leaf, durably; the guards decide under the lock.
  const receipt = await record<Commit>(ports.journal, {
    ...commit,
    guards: [...commit.guards, authorityGuard(prepared.authority)],
    lock: 'issue',
    leaf: {
      ...commit.leaf,
      object: prepared.object,
      decision: 'permit',
      commitments: { ...commit.leaf.commitments, ...prepared.commitments },
    },
  })
  // 2. Sign, verify the signature, and answer.
  return sign(prepared, receipt)
}
