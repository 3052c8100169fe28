import { authorityError } from '#authority/index.ts'
import { MINUTE, type Milliseconds } from '#kernel/instant.ts'
import type { Besides } from '../approvals/besides.ts'

/** What an operator or the rotation may ask for; each can be repeated after a crash. */
export type AuthorityStep = 'publish' | 'activate' | 'rollback' | 'retire' | 'taint'

export interface TransitionOrder {
  readonly actor: string
  readonly id: string
  readonly step: AuthorityStep
  /** The version that the decision was made on; a step on another one is refused. */
  readonly expectedVersion?: number
  /** Skips the gates that keep others from meeting what they do not know yet, or need still: for emergencies. */
  readonly urgent?: boolean
  /** Why; people who go past a gate must say so. It is in the leaf. */
  readonly reason?: string
  /** Of a taint: how long those who hold its certificates may renew before they are cut off. */
  readonly within?: Milliseconds
  /** Of a taint: somebody else has the key. Nobody renews under it, everything it signed is cut off at once. */
  readonly compromised?: boolean
  /** What is used up with it, in the same commit; of several, in the first that others feel. */
  readonly also?: Besides
}

const LONGEST_REASON = 500

/** Long enough for every client that looks at its renewal information, and short enough for an emergency. */
export const RENEWAL_AFTER_TAINT: Milliseconds = 10 * MINUTE

/** @throws AUTHORITY_REASON_REQUIRED */
export function requireReason({
  urgent,
  reason = '',
}: {
  readonly urgent: boolean
  readonly reason?: string | undefined
}): void {
  const isGiven = reason.trim() !== ''
  if (reason.length > LONGEST_REASON || (urgent && !isGiven)) throw authorityError('AUTHORITY_REASON_REQUIRED')
}
