import { record } from '#audit/index.ts'
import {
  applied,
  authorityError,
  hasPropagated,
  isOfflineRoot,
  retireAt,
  transition,
  type AuthorityRecord,
  type AuthorityTransition,
} from '#authority/index.ts'
import { PROFILES } from '#issuance/index.ts'
import { equal } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Besides } from './approvals/besides.ts'
import { issueCanary } from './issue-canary.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import { listAuthorities, refreshAuthorities } from './load-authorities.ts'
import type { Change, Commit, Guard, OutboxEvent } from './ports.ts'

/** What an operator or the rotation may ask for; each is one commit, and can be repeated after a crash. */
export type AuthorityStep = 'publish' | 'activate' | 'rollback' | 'retire' | 'taint'

export interface TransitionOrder {
  readonly actor: string
  readonly id: string
  readonly step: AuthorityStep
  /** The version that the decision was made on; a step on another one is refused. */
  readonly expectedVersion?: number
  /** Skips the waits that keep others from meeting what they do not know yet, or need still: for emergencies. */
  readonly urgent?: boolean
  /** What is used up with it, in the same commit. */
  readonly also?: Besides
}

/**
 * Moves an authority one step on (promise 8). The commit is a compare-and-swap on the version of every authority that
 * it changes, so that of two operators one loses.
 * @throws AUTHORITY_NOT_FOUND, AUTHORITY_CHANGED, AUTHORITY_TRANSITION, AUTHORITY_NOT_PROPAGATED,
 * AUTHORITY_STILL_NEEDED, AUTHORITY_NO_PREDECESSOR, AUTHORITY_EXPIRED, AUTHORITY_CANARY_FAILED, CLOCK_…, KEY_…
 */
export async function transitionAuthority(ports: AuthorityPorts, order: TransitionOrder): Promise<AuthorityRecord> {
  // 1. Read all authorities as they are now, the one in question among them.
  // 2. Decide which states change: one, or two that change places.
  const { subject, records, transitions } = await decide(ports, order)
  // 3. Who is about to sign for others shows first that it can.
  const next = transitions.find(({ set }) => set.state === 'active')
  await requireKey(
    ports,
    records.find(({ id }) => id === next?.id),
  )
  if (order.step === 'activate' && subject.kind === 'x509') {
    await issueCanary(ports, { actor: order.actor, candidate: subject, records })
  }
  // 4. Commit, if all of them still are as they were read.
  await record(ports.journal, commitOf(order, subject, transitions))
  // 5. Sign and trust accordingly from now on; other replicas hear of it.
  await refreshAuthorities(ports)
  return transitions.filter(({ id }) => id === subject.id).reduce(applied, subject)
}

/** What a step would change, without changing it. @throws as `transitionAuthority`, but for keys and canaries */
export async function previewTransition(
  ports: AuthorityPorts,
  order: TransitionOrder,
): Promise<readonly AuthorityTransition[]> {
  return (await decide(ports, order)).transitions
}

interface Decision {
  readonly subject: AuthorityRecord
  readonly records: readonly AuthorityRecord[]
  readonly transitions: readonly AuthorityTransition[]
}

async function decide(ports: AuthorityPorts, order: TransitionOrder): Promise<Decision> {
  const records = await listAuthorities(ports.reader)
  const subject = records.find(({ id }) => id === order.id)
  if (subject === undefined) throw authorityError('AUTHORITY_NOT_FOUND', { details: { authority: order.id } })
  if (order.expectedVersion !== undefined && order.expectedVersion !== subject.version) {
    throw authorityError('AUTHORITY_CHANGED', { details: { authority: order.id, version: subject.version } })
  }
  const now = await ports.clockGuard.check()
  return { subject, records, transitions: plan({ order, subject, records, now }) }
}

interface Situation {
  readonly order: TransitionOrder
  readonly subject: AuthorityRecord
  readonly records: readonly AuthorityRecord[]
  readonly now: Instant
}

function plan(situation: Situation): readonly AuthorityTransition[] {
  const { order, subject, now } = situation
  switch (order.step) {
    case 'publish':
    case 'taint':
      return [transition(subject, order.step, now)]
    case 'activate':
      return planActivation(situation)
    case 'rollback':
      return planRollback(situation)
    case 'retire':
      return planRetirement(situation)
  }
}

function planActivation({ order, subject, records, now }: Situation): readonly AuthorityTransition[] {
  const activation = transition(subject, 'activate', now)
  requireValid(subject, now)
  const current = records.find(({ kind, state }) => kind === subject.kind && state === 'active')
  if (current === undefined) return [activation]
  // One that has ended signs nothing any more; waiting would help nobody.
  const isWaiting = subject.publishedAt === null || !hasPropagated(subject.publishedAt, now)
  if (isWaiting && order.urgent !== true && now < current.notAfter) throw authorityError('AUTHORITY_NOT_PROPAGATED')
  return [transition(current, 'supersede', now), activation]
}

/** The latest predecessor signs again; what came after it stays published, so that nothing it signed is refused. */
function planRollback({ subject, records, now }: Situation): readonly AuthorityTransition[] {
  const withdrawal = transition(subject, 'withdraw', now)
  const [predecessor] = records
    .filter(({ kind, state }) => kind === subject.kind && state === 'retiring')
    .sort((left, right) => (right.activatedAt ?? 0) - (left.activatedAt ?? 0))
  if (predecessor === undefined) throw authorityError('AUTHORITY_NO_PREDECESSOR')
  requireValid(predecessor, now)
  return [withdrawal, transition(predecessor, 'restore', now)]
}

/** What signed is trusted until the last thing that it can have signed has ended. */
function planRetirement({ order, subject, records, now }: Situation): readonly AuthorityTransition[] {
  const retirement = transition(subject, 'retire', now)
  const since = records.find(({ kind, state }) => kind === subject.kind && state === 'active')?.activatedAt ?? null
  // A withdrawn one has signed, too, and its successor's activation is when that ended.
  const hasSigned = subject.activatedAt !== null && subject.state !== 'tainted'
  const isOver = since !== null && now >= retireAt(since, PROFILES.svid.mostLifetime)
  if (hasSigned && !isOver && order.urgent !== true) throw authorityError('AUTHORITY_STILL_NEEDED')
  return [retirement]
}

/** The key is at hand and is the one of the record: found out before the commit, not by the first who wants a signature. */
async function requireKey({ keys }: AuthorityPorts, record: AuthorityRecord | undefined): Promise<void> {
  if (record === undefined || isOfflineRoot(record)) return
  const { publicKey } = await keys.open(record.keyReference)
  if (!equal(publicKey, record.publicKey)) {
    throw authorityError('AUTHORITY_KEY_MISMATCH', { details: { authority: record.id } })
  }
}

function requireValid({ id, notBefore, notAfter }: AuthorityRecord, now: Instant): void {
  if (now < notBefore || now >= notAfter) throw authorityError('AUTHORITY_EXPIRED', { details: { authority: id } })
}

function commitOf(
  { actor, step, urgent, also }: TransitionOrder,
  subject: AuthorityRecord,
  transitions: readonly AuthorityTransition[],
): Commit {
  return {
    lock: 'revoke',
    guards: [
      ...(step === 'activate' && transitions.length === 1 ? [firstOfItsKind(subject)] : []),
      ...(also?.guards ?? []),
    ],
    changes: [...transitions.map(changeOf), ...(also?.changes ?? [])],
    leaf: {
      type: `authority.${step}`,
      actor,
      object: `authority:${subject.id}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: {
        ...Object.fromEntries(transitions.map(({ id, set }) => [id, set.state])),
        ...(urgent === true ? { urgent: 'true' } : {}),
        ...also?.commitments,
      },
    },
    events: transitions.map(({ id, set }): OutboxEvent => ({
      type: 'authority.changed',
      data: { id, kind: subject.kind, state: set.state },
    })),
  }
}

/** Where none was active when it was read, none may have become so since. */
function firstOfItsKind({ kind }: AuthorityRecord): Guard {
  const refuse = () => authorityError('AUTHORITY_CHANGED', { details: { kind } })
  return { table: 'Authority', must: 'not-exist', where: { kind, state: 'active' }, refuse }
}

function changeOf({ id, expected, set }: AuthorityTransition): Change {
  const refuse = () => authorityError('AUTHORITY_CHANGED', { details: { authority: id } })
  return { op: 'update', table: 'Authority', where: { id, ...expected }, set, refuse }
}
