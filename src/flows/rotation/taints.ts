import { authorityError, type AuthorityRecord } from '#authority/index.ts'
import { after, type Instant } from '#kernel/instant.ts'
import { cutoffKey, FOR_EVER, keptReason, raiseCutoff, revocationNotice } from '#revocation/index.ts'
import type { Change, Guard, OutboxEvent, Reader } from '../ports.ts'
import { deadlineMark } from './deadline.ts'
import { RENEWAL_AFTER_TAINT, type TransitionOrder } from './order.ts'

/** What goes into a commit besides the states of authorities. */
export interface Additions {
  readonly guards: readonly Guard[]
  readonly changes: readonly Change[]
  readonly events: readonly OutboxEvent[]
}

export const NO_ADDITIONS: Additions = { guards: [], changes: [], events: [] }

/** Signs certificates, so that there is something to cut off. */
export function hasCertificates({ kind }: AuthorityRecord): boolean {
  return kind === 'x509' || kind === 'x509-root'
}

/** Whether everything that the authority signed is cut off, for ever. */
export async function isCutOff(reader: Reader, { id }: Pick<AuthorityRecord, 'id'>): Promise<boolean> {
  const cutoff = await reader.find('Cutoff', { key: cutoffKey('authority', id), before: { gte: FOR_EVER } })
  return cutoff !== null
}

/**
 * The deadline of a taint; and for an authority whose key somebody else has, the cutoff of everything that it signed,
 * in the same commit. A taint can be made one of these later on.
 */
export async function taintAdditions(
  reader: Reader,
  { actor, within, compromised }: TransitionOrder,
  { subject, now }: { readonly subject: AuthorityRecord; readonly now: Instant },
): Promise<Additions> {
  // What is cut off is that; of what has no certificates to cut off, the time is up.
  const isOver = compromised === true && !hasCertificates(subject)
  const name = deadlineMark(subject.id)
  const at = isOver ? now : after(now, within ?? RENEWAL_AFTER_TAINT)
  const isDue =
    subject.state !== 'tainted' || (isOver && (await reader.find('Mark', { name, at: { gt: now } })) !== null)
  const marks: readonly Change[] = isDue ? [{ op: 'replace', table: 'Mark', row: { name, at } }] : []
  const cut = compromised === true ? await cutOffAuthority(reader, subject, { actor, at: now }) : NO_ADDITIONS
  return { ...cut, changes: [...marks, ...cut.changes] }
}

/**
 * Everything that the authority signed, cut off for ever: it never signs again. Nothing where that is so already, or
 * where it signed no certificates.
 */
export async function cutOffAuthority(
  reader: Reader,
  subject: AuthorityRecord,
  by: { readonly actor: string; readonly at: Instant },
): Promise<Additions> {
  if (!hasCertificates(subject)) return NO_ADDITIONS
  const key = cutoffKey('authority', subject.id)
  const stored = await reader.find('Cutoff', { key })
  if (stored !== null && stored.before >= FOR_EVER) return NO_ADDITIONS
  const refuse = () => authorityError('AUTHORITY_CHANGED', { details: { authority: subject.id } })
  const cut = { kind: 'authority', value: subject.id, before: FOR_EVER, reason: keptReason(stored, 'ca_compromise') }
  const { guard, change } = raiseCutoff({ ...cut, kind: 'authority' }, by, refuse)
  const unchanged: Guard =
    stored === null
      ? { table: 'Cutoff', must: 'not-exist', where: { key }, refuse }
      : { table: 'Cutoff', must: 'exist', where: { key, before: stored.before, reason: stored.reason }, refuse }
  return {
    guards: [guard, unchanged],
    changes: [change],
    events: [
      {
        type: 'credential.revoked',
        data: { handle: 'authority', value: subject.id, certificates: [], ...revocationNotice(by.at, [change.row]) },
      },
    ],
  }
}
