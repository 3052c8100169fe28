import type { Instant } from '#kernel/instant.ts'
import { authorityError } from './errors.ts'
import type { AuthorityRecord, AuthorityState } from './records.ts'

/**
 * The life of an authority, whatever its kind, as one table. `supersede` happens to the active one when its successor
 * is activated; `withdraw` and `restore` undo such a change together. An active one is tainted in the commit that
 * activates its successor, never alone. What is retired stays retired (promise 8).
 */
export const TRANSITIONS = {
  publish: { from: ['prepared'], to: 'published' },
  activate: { from: ['published'], to: 'active' },
  supersede: { from: ['active'], to: 'retiring' },
  withdraw: { from: ['active'], to: 'published' },
  restore: { from: ['retiring'], to: 'active' },
  taint: { from: ['prepared', 'published', 'active', 'retiring'], to: 'tainted' },
  retire: { from: ['prepared', 'published', 'retiring', 'tainted'], to: 'retired' },
} as const satisfies Record<string, { readonly from: readonly AuthorityState[]; readonly to: AuthorityState }>

export type TransitionName = keyof typeof TRANSITIONS

/** The states in which others must trust what an authority signed: in the bundle, in the JWKS. */
export const TRUSTED_STATES = ['published', 'active', 'retiring'] as const satisfies readonly AuthorityState[]

export function isTrusted(state: AuthorityState): boolean {
  return (TRUSTED_STATES as readonly AuthorityState[]).includes(state)
}

/**
 * Whether a step that somebody asks for has been taken already: asked for again after a crash or a lost answer, it
 * changes nothing and succeeds. What has gone on since is no repetition.
 */
export function isStepDone(
  record: Pick<AuthorityRecord, 'state' | 'activatedAt'>,
  step: 'publish' | 'activate' | 'rollback' | 'retire' | 'taint',
): boolean {
  // One that was active and was taken back.
  if (step === 'rollback') return record.state === 'published' && record.activatedAt !== null
  return record.state === TRANSITIONS[step].to
}

/** One change of state as a compare-and-swap: it holds only for the version and state that it was decided on. */
export interface AuthorityTransition {
  readonly name: TransitionName
  readonly id: string
  readonly expected: { readonly version: number; readonly state: AuthorityState }
  readonly set: Partial<AuthorityRecord> & { readonly state: AuthorityState; readonly version: number }
}

/** @throws AUTHORITY_TRANSITION when the table knows no such step from the record's state */
export function transition(record: AuthorityRecord, name: TransitionName, now: Instant): AuthorityTransition {
  const { from, to } = TRANSITIONS[name]
  if (!(from as readonly AuthorityState[]).includes(record.state)) {
    throw authorityError('AUTHORITY_TRANSITION', { details: { authority: record.id, state: record.state, step: name } })
  }
  return {
    name,
    id: record.id,
    expected: { version: record.version, state: record.state },
    set: { state: to, version: record.version + 1, ...stamps(record, to, now) },
  }
}

/** `activatedAt` is the latest activation: whoever signed before has signed nothing since. */
function stamps(record: AuthorityRecord, to: AuthorityState, now: Instant): Partial<AuthorityRecord> {
  if (to === 'published' && record.publishedAt === null) return { publishedAt: now }
  if (to === 'active') return { activatedAt: now }
  if (to === 'retired') return { retiredAt: now }
  return {}
}

/** What the record is once the transition is stored. */
export function applied(record: AuthorityRecord, change: AuthorityTransition): AuthorityRecord {
  return { ...record, ...change.set }
}
