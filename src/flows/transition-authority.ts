import { record } from '#audit/index.ts'
import {
  applied,
  authorityError,
  isOfflineRoot,
  type AuthorityRecord,
  type AuthorityTransition,
} from '#authority/index.ts'
import { equal } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { NOTHING_BESIDES } from './approvals/besides.ts'
import { issueCanary } from './issue-canary.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import { listAuthorities, refreshAuthorities } from './load-authorities.ts'
import type { Change, Commit, Guard, OutboxEvent } from './ports.ts'
import { crossSign } from './rotation/cross-sign.ts'
import { readGate } from './rotation/gates.ts'
import type { TransitionOrder } from './rotation/order.ts'
import { planStep } from './rotation/plan-step.ts'
import { NO_ADDITIONS, taintAdditions, type Additions } from './rotation/taints.ts'

export type { AuthorityStep, TransitionOrder } from './rotation/order.ts'

/** How a step ended. */
export interface StepTaken {
  readonly authority: AuthorityRecord
  /** None when it had been taken before. */
  readonly transitions: readonly AuthorityTransition[]
}

/**
 * Moves an authority one step on (promise 8), see `takeStep`. A tainted one that is active needs a successor that is
 * published: `taintAuthority` sees to that.
 * @throws as `takeStep`
 */
export async function transitionAuthority(ports: AuthorityPorts, order: TransitionOrder): Promise<AuthorityRecord> {
  return (await takeStep(ports, order)).authority
}

/**
 * One step as one commit, a compare-and-swap on the version of every authority that it changes: of two operators one
 * loses. A step that was taken before is taken, and changes nothing, unless the order names a version.
 * @throws AUTHORITY_NOT_FOUND, AUTHORITY_CHANGED, AUTHORITY_TRANSITION, AUTHORITY_NOT_PROPAGATED,
 * AUTHORITY_STILL_NEEDED, AUTHORITY_NO_PREDECESSOR, AUTHORITY_NO_SUCCESSOR, AUTHORITY_EXPIRED,
 * AUTHORITY_CANARY_FAILED, AUTHORITY_ROOT_UNAVAILABLE, CLOCK_…, KEY_…
 */
export async function takeStep(ports: AuthorityPorts, order: TransitionOrder): Promise<StepTaken> {
  // 1. Read all authorities as they are now, the one in question among them.
  // 2. Decide which states change: one, two that change places, or none where it was done before.
  const decision = await decide(ports, order)
  const { subject, records, transitions, additions } = decision
  // An approval is used up also by what changes nothing.
  const changes = [...transitions, ...additions.changes, ...(order.also?.changes ?? [])]
  if (changes.length === 0) return { authority: subject, transitions }
  // 3. Who is about to sign for others shows first that it can, and that others will find the way to it.
  await prove(ports, order, decision)
  // 4. Commit, if all of them still are as they were read.
  await record(ports.journal, commitOf(order, decision))
  // 5. Sign and trust accordingly from now on; other replicas hear of it.
  await refreshAuthorities(ports)
  const after = records.map((one) => transitions.filter(({ id }) => id === one.id).reduce(applied, one))
  return { authority: after.find(({ id }) => id === subject.id) ?? subject, transitions }
}

/** What a step would change, without changing it. @throws as `takeStep`, but for keys and canaries */
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
  readonly additions: Additions
}

async function decide(ports: AuthorityPorts, order: TransitionOrder): Promise<Decision> {
  const records = await listAuthorities(ports.reader)
  const subject = records.find(({ id }) => id === order.id)
  if (subject === undefined) throw authorityError('AUTHORITY_NOT_FOUND', { details: { authority: order.id } })
  if (order.expectedVersion !== undefined && order.expectedVersion !== subject.version) {
    throw authorityError('AUTHORITY_CHANGED', { details: { authority: order.id, version: subject.version } })
  }
  const now = await ports.clockGuard.check()
  const { step } = order
  const isGated = (step === 'activate' || step === 'retire') && order.urgent !== true
  const gate = isGated ? await readGate(ports.reader, step, { subject, records, now }) : null
  const transitions = planStep({ order, subject, records, gate, now })
  const additions = step === 'taint' ? await taintAdditions(ports.reader, order, { subject, now }) : NO_ADDITIONS
  return { subject, records, transitions, additions }
}

async function prove(
  ports: AuthorityPorts,
  { actor, step, urgent }: TransitionOrder,
  { subject, records, transitions }: Decision,
): Promise<void> {
  if (subject.kind === 'x509-root' && (step === 'publish' || step === 'activate')) {
    const signing = crossSign(ports, { actor, candidate: subject, records })
    await (urgent === true ? unless('AUTHORITY_ROOT_UNAVAILABLE', signing) : signing)
  }
  const activation = transitions.find(({ set }) => set.state === 'active')
  const next = records.find(({ id }) => id === activation?.id)
  if (next === undefined) return
  await requireKey(ports, next)
  // One that comes back after a rollback has shown it.
  if (next.kind === 'x509' && activation?.name === 'activate') {
    await orChanged(next, issueCanary(ports, { actor, candidate: next, records }))
  }
}

/** Somebody else has taken a step with it meanwhile: who loses is told so, as at any other point. */
async function orChanged({ id }: AuthorityRecord, action: Promise<void>): Promise<void> {
  try {
    await action
  } catch (cause) {
    if (!isWritError(cause, 'ISSUANCE_AUTHORITY_CHANGED')) throw cause
    throw authorityError('AUTHORITY_CHANGED', { details: { authority: id }, cause })
  }
}

/** In an emergency the present root may be what is missing. */
async function unless(code: string, action: Promise<void>): Promise<void> {
  try {
    await action
  } catch (error) {
    if (!isWritError(error, code)) throw error
  }
}

/** The key is at hand and is the one of the record: found out before the commit, not by the first who wants a signature. */
async function requireKey({ keys }: AuthorityPorts, record: AuthorityRecord): Promise<void> {
  if (isOfflineRoot(record)) return
  const { publicKey } = await keys.open(record.keyReference)
  if (!equal(publicKey, record.publicKey)) {
    throw authorityError('AUTHORITY_KEY_MISMATCH', { details: { authority: record.id } })
  }
}

function commitOf(order: TransitionOrder, { subject, transitions, additions }: Decision): Commit {
  const { actor, step, also = NOTHING_BESIDES } = order
  return {
    lock: 'revoke',
    guards: [
      ...(step === 'activate' && transitions.length === 1 ? [firstOfItsKind(subject)] : []),
      ...additions.guards,
      ...also.guards,
    ],
    changes: [...transitions.map(changeOf), ...additions.changes, ...also.changes],
    leaf: {
      type: `authority.${step}`,
      actor,
      object: `authority:${subject.id}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: {
        ...Object.fromEntries(transitions.map(({ id, set }) => [id, set.state])),
        ...saidOf(order),
        ...also.commitments,
      },
    },
    events: [
      ...transitions.map(({ id, set }): OutboxEvent => ({
        type: 'authority.changed',
        data: { id, kind: subject.kind, state: set.state },
      })),
      ...additions.events,
    ],
  }
}

function saidOf({ urgent, compromised, reason }: TransitionOrder): Readonly<Record<string, string>> {
  return {
    ...(urgent === true ? { urgent: 'true' } : {}),
    ...(compromised === true ? { compromised: 'true' } : {}),
    ...(reason === undefined ? {} : { reason }),
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
