import type { Role } from '#authentication/index.ts'
import type { LeafDraft } from '#audit/index.ts'
import type { IssuanceProfile } from '#issuance/index.ts'
import type { StoryPorts } from '../ports.ts'

/** What every story of administration needs. */
export interface AdminPorts extends StoryPorts {
  /** How this server is known to others. */
  readonly profile: Pick<IssuanceProfile, 'trustDomain' | 'serverNames' | 'publicUrl'>
}

/** Who may look at everything but the log and the principals. */
export const READERS: readonly Role[] = ['viewer', 'auditor', 'operator', 'orchestrator', 'approver', 'ca-admin']

/** The leaf of an administrative change. */
export function adminLeaf(
  what: Pick<LeafDraft, 'type' | 'actor' | 'object'>,
  commitments: LeafDraft['commitments'] = {},
  beside: Readonly<Record<string, string>> = {},
): LeafDraft {
  const { type, actor, object } = what
  const leaf = { type, actor, object, decision: 'permit', inputDigest: null, policy: null, commitments } as const
  return Object.keys(beside).length === 0 ? leaf : { ...leaf, private: beside }
}
