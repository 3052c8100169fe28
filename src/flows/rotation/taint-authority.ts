import {
  authorityError,
  isTrusted,
  isUnderOfflineRoot,
  standIn,
  transition,
  type AuthorityRecord,
  type AuthorityTransition,
} from '#authority/index.ts'
import type { AuthorityPorts } from '../issuance-ports.ts'
import { listAuthorities } from '../load-authorities.ts'
import { prepareAuthority } from '../prepare-authority.ts'
import { previewTransition, takeStep, type StepTaken } from '../transition-authority.ts'
import type { TransitionOrder } from './order.ts'

/** Of one authority or a root with all that is under it: more than there ever are at once. */
const MOST_UNDER = 100

/**
 * The emergency path, also for the authority that signs now: a successor is made and published if there is none, takes
 * over at once, and the tainted one is out of the bundle in the same commit. Every step is a legal one by itself, so
 * that the command can be given again after a crash. What follows is `followTaints`.
 * @throws AUTHORITY_NO_SUCCESSOR, and as `takeStep`
 */
export async function taintAuthority(ports: AuthorityPorts, order: TransitionOrder): Promise<StepTaken> {
  const subject = await ports.reader.find('Authority', { id: order.id })
  if (subject === null) throw authorityError('AUTHORITY_NOT_FOUND', { details: { authority: order.id } })
  if (subject.kind === 'x509-root' && isTrusted(subject.state)) return taintRoot(ports, order, subject)
  // 1. Somebody must be able to sign in its place.
  if (subject.state === 'active') await ensureSuccessor(ports, order, subject)
  // 2. The one goes and the other comes.
  return takeStep(ports, order)
}

/**
 * Of a root, everything under it goes first, so that there is always an issuing authority that is trusted. A version that
 * the order names is compared before anything happens; an approval is used in the first step that others feel.
 */
async function taintRoot(ports: AuthorityPorts, order: TransitionOrder, root: AuthorityRecord): Promise<StepTaken> {
  requireVersion(order, root)
  const again = withoutVersion(order)
  let [current, unused] = [order, usedWith(order)]
  const transitions: AuthorityTransition[] = []
  // 1. Another root signs from now on; the version of this one rises with that.
  if (root.state === 'active') {
    const next = await ensureSuccessor(ports, order, root)
    const reason = order.reason ?? `taint of ${root.id}`
    const step = { ...unused, actor: order.actor, id: next.id, step: 'activate', urgent: true, reason } as const
    transitions.push(...(await takeStep(ports, step)).transitions)
    current = again
    unused = {}
  }
  // 2. What is under the old one goes, the active one with a successor under the new one.
  for (let taken = 0; taken < MOST_UNDER; taken++) {
    const under = (await listAuthorities(ports.reader)).find((one) => isUnder(one, root))
    if (under === undefined) break
    transitions.push(...(await taintAuthority(ports, { ...again, ...unused, id: under.id })).transitions)
    const { also, ...rest } = current
    if (also !== undefined) current = rest
    unused = {}
  }
  // 3. Then the root itself.
  const taken = await takeStep(ports, current)
  return { authority: taken.authority, transitions: [...transitions, ...taken.transitions] }
}

function isUnder({ kind, issuer, state, certificate }: AuthorityRecord, root: AuthorityRecord): boolean {
  return kind === 'x509' && issuer === root.id && (isTrusted(state) || (state === 'prepared' && certificate !== null))
}

/** For what follows from a step whose version was compared, and whose approval was used. */
function withoutVersion(order: TransitionOrder): TransitionOrder {
  const { actor, id, step, ...rest } = order
  const { urgent, reason, within, compromised } = rest
  return {
    ...{ actor, id, step },
    ...(urgent === undefined ? {} : { urgent }),
    ...(reason === undefined ? {} : { reason }),
    ...(within === undefined ? {} : { within }),
    ...(compromised === undefined ? {} : { compromised }),
  }
}

function usedWith({ also }: TransitionOrder): Pick<TransitionOrder, 'also'> {
  return also === undefined ? {} : { also }
}

/** @throws AUTHORITY_CHANGED */
function requireVersion({ id, expectedVersion }: TransitionOrder, { version }: AuthorityRecord): void {
  if (expectedVersion === undefined || expectedVersion === version) return
  throw authorityError('AUTHORITY_CHANGED', { details: { authority: id, version } })
}

/** One of its kind that is published: whichever is ready, or a new one. */
async function ensureSuccessor(
  ports: AuthorityPorts,
  order: TransitionOrder,
  subject: AuthorityRecord,
): Promise<AuthorityRecord> {
  const { actor } = order
  const next = standIn(subject, await listAuthorities(ports.reader), ports.clock.now())
  if (next?.state === 'published') return next
  const made = next ?? (await makeSuccessor(ports, actor, subject))
  return (
    await takeStep(ports, { actor, id: made.id, step: 'publish', urgent: true, reason: `taint of ${subject.id}` })
  ).authority
}

async function makeSuccessor(ports: AuthorityPorts, actor: string, subject: AuthorityRecord): Promise<AuthorityRecord> {
  const { kind } = subject
  const isX509 = kind === 'x509' || kind === 'x509-root'
  if (isX509 && isUnderOfflineRoot(await listAuthorities(ports.reader))) {
    throw authorityError('AUTHORITY_NO_SUCCESSOR', { details: { kind } })
  }
  return prepareAuthority(ports, { actor, kind })
}

/**
 * What a taint would change now, without changing it; a successor that is yet to be made has no id.
 * @throws as `taintAuthority`, but for keys and canaries
 */
export async function previewTaint(
  ports: AuthorityPorts,
  order: TransitionOrder,
): Promise<readonly AuthorityTransition[]> {
  const records = await listAuthorities(ports.reader)
  const subject = records.find(({ id }) => id === order.id)
  if (subject?.state !== 'active') return previewTransition(ports, order)
  requireVersion(order, subject)
  const now = await ports.clockGuard.check()
  const next = standIn(subject, records, now)
  if (next === undefined && isUnderOfflineRoot(records) && subject.kind.startsWith('x509')) {
    throw authorityError('AUTHORITY_NO_SUCCESSOR', { details: { kind: subject.kind } })
  }
  const under = subject.kind === 'x509-root' ? records.filter((one) => isUnder(one, subject)) : []
  return [
    transition(subject, 'taint', now),
    ...under.map((one) => transition(one, 'taint', now)),
    ...(next === undefined ? [] : [transition({ ...next, state: 'published' }, 'activate', now)]),
  ]
}
