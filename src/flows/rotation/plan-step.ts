import {
  authorityError,
  isStepDone,
  isTrusted,
  standIn,
  transition,
  type AuthorityRecord,
  type AuthorityTransition,
  type Gate,
} from '#authority/index.ts'
import type { Instant } from '#kernel/instant.ts'
import type { TransitionOrder } from './order.ts'

/** A step, and the authorities as they were read for it. */
export interface Situation {
  readonly order: TransitionOrder
  readonly subject: AuthorityRecord
  readonly records: readonly AuthorityRecord[]
  /** Null where the step has none, or goes past it. */
  readonly gate: Gate | null
  readonly now: Instant
}

/**
 * Which states change: one, two that change places, or none where it was done before. Pure.
 * @throws AUTHORITY_TRANSITION, AUTHORITY_CHANGED, AUTHORITY_NOT_PROPAGATED, AUTHORITY_STILL_NEEDED,
 * AUTHORITY_NO_PREDECESSOR, AUTHORITY_NO_SUCCESSOR, AUTHORITY_EXPIRED
 */
export function planStep(situation: Situation): readonly AuthorityTransition[] {
  const { order, subject, now } = situation
  if (isStepDone(subject, order.step)) return done(situation)
  switch (order.step) {
    case 'publish':
      return [transition(subject, 'publish', now)]
    case 'activate':
      return planActivation(situation)
    case 'rollback':
      return planRollback(situation)
    case 'retire':
      return planRetirement(situation)
    case 'taint':
      return planTaint(situation)
  }
}

/**
 * Who names the version that they saw wanted to change that one. Of one that is tainted they may say still that somebody
 * has its key. @throws AUTHORITY_CHANGED
 */
function done({ order, subject }: Situation): readonly AuthorityTransition[] {
  if (order.expectedVersion === undefined || order.compromised === true) return []
  throw authorityError('AUTHORITY_CHANGED', { details: { authority: order.id, state: subject.state } })
}

function planActivation({ subject, records, gate, now }: Situation): readonly AuthorityTransition[] {
  const activation = transition(subject, 'activate', now)
  requireValid(subject, now)
  const current = records.find(({ kind, state }) => kind === subject.kind && state === 'active')
  if (gate?.open === false) {
    throw authorityError('AUTHORITY_NOT_PROPAGATED', { details: { authority: subject.id, ...waitOf(gate) } })
  }
  return current === undefined ? [activation] : [transition(current, 'supersede', now), activation]
}

/**
 * The latest predecessor that others trust still signs again; what came after it stays published, so that nothing it
 * signed is refused.
 */
function planRollback({ subject, records, now }: Situation): readonly AuthorityTransition[] {
  const withdrawal = transition(subject, 'withdraw', now)
  const [predecessor] = records
    .filter((one) => one.kind === subject.kind && one.state === 'retiring' && isRootTrusted(one, records))
    .sort((left, right) => (right.activatedAt ?? 0) - (left.activatedAt ?? 0))
  if (predecessor === undefined) throw authorityError('AUTHORITY_NO_PREDECESSOR')
  requireValid(predecessor, now)
  return [withdrawal, transition(predecessor, 'restore', now)]
}

/** What signed is trusted until the last thing that it can have signed has ended. */
function planRetirement({ subject, records, gate, now }: Situation): readonly AuthorityTransition[] {
  const retirement = transition(subject, 'retire', now)
  // No reason is good enough to stop trusting the one that signs: in an emergency a taint lets another one sign first.
  if (records.some(({ kind, state, issuer }) => kind === 'x509' && state === 'active' && issuer === subject.id)) {
    const because = 'authorities-in-force'
    throw authorityError('AUTHORITY_STILL_NEEDED', { details: { authority: subject.id, because } })
  }
  if (gate?.open === false) {
    throw authorityError('AUTHORITY_STILL_NEEDED', { details: { authority: subject.id, ...waitOf(gate) } })
  }
  return [retirement]
}

/** There is no moment without one that signs, and none in which a tainted one does. */
function planTaint({ subject, records, now }: Situation): readonly AuthorityTransition[] {
  const taint = transition(subject, 'taint', now)
  if (subject.state !== 'active') return [taint]
  const next = standIn(subject, records, now)
  if (next?.state !== 'published') throw authorityError('AUTHORITY_NO_SUCCESSOR', { details: { kind: subject.kind } })
  return [taint, transition(next, 'activate', now)]
}

/** Without a root above it, or under one that is in the bundle. */
function isRootTrusted({ issuer }: AuthorityRecord, records: readonly AuthorityRecord[]): boolean {
  return issuer === null || records.some(({ id, state }) => id === issuer && isTrusted(state))
}

function waitOf({ because, opensAt }: Gate): Readonly<Record<string, string | number>> {
  return { because, ...(opensAt === null ? {} : { opens_at: opensAt }) }
}

function requireValid({ id, notBefore, notAfter }: AuthorityRecord, now: Instant): void {
  if (now < notBefore || now >= notAfter) throw authorityError('AUTHORITY_EXPIRED', { details: { authority: id } })
}
