import type { Instant } from '#kernel/instant.ts'
import type { RevocationRequest } from '#wire/index.ts'
import type { CutoffKind, CutoffRecord } from './records.ts'

/** By what something can be taken back: the words of requests, answers and the command line. */
export type RevocationHandle = RevocationRequest['handle']

/** RFC 5280 section 5.3.1, as far as they fit. There is no hold: who is suspended is suspended, not revoked. */
export type RevocationReason = RevocationRequest['reason']

/**
 * How far each handle reaches. What can come back (an agent, a node, a user) is cut off until now and may be issued to
 * anew; what cannot is cut off for ever. A key is for ever only when it is compromised.
 */
export const REACH = {
  certificate: { kind: 'lineage', for: 'ever' },
  instance: { kind: 'instance', for: 'ever' },
  lineage: { kind: 'lineage', for: 'ever' },
  task: { kind: 'task', for: 'ever' },
  token: { kind: 'token', for: 'ever' },
  key: { kind: 'spki', for: 'until-now' },
  agent: { kind: 'agent', for: 'until-now' },
  authority: { kind: 'authority', for: 'until-now' },
  node: { kind: 'node', for: 'until-now' },
  subject: { kind: 'subject', for: 'until-now' },
  evidence: { kind: 'evidence', for: 'until-now' },
  selector: { kind: 'selector', for: 'until-now' },
  'trust-domain': { kind: 'trust-domain', for: 'until-now' },
} as const satisfies Record<RevocationHandle, { readonly kind: CutoffKind; readonly for: 'ever' | 'until-now' }>

/**
 * The reason that a row keeps: the first one that was given, unless the key turns out to be compromised.
 */
export function keptReason(stored: CutoffRecord | null, given: RevocationReason): string {
  return stored === null || given === 'key_compromise' ? given : stored.reason
}

/** Whether a cutoff that reaches to `before` for `given` would change nothing about `stored`. */
export function isDone(stored: CutoffRecord | null, before: Instant, given: RevocationReason): boolean {
  if (stored === null || stored.before < before) return false
  return given !== 'key_compromise' || stored.reason === 'key_compromise'
}
