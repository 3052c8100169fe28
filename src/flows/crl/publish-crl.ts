import { record, type LeafDraft } from '#audit/index.ts'
import type { RevokingSigner } from '#authority/index.ts'
import { prepareCrl, sign } from '#issuance/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import { COMPLETE, crlId, crlTimes, nextCrlNumber, revocationError, type CrlRecord } from '#revocation/index.ts'
import type { CrlEntry } from '#x509/index.ts'
import type { Change, Commit, Guard } from '../ports.ts'
import { otherWork } from '../other-work.ts'
import type { CrlPorts } from './ports.ts'

export interface CrlOrder {
  readonly signer: RevokingSigner
  /** The number of a shard, or `complete`. */
  readonly scope: string
  /** What was published before; null when nothing was. */
  readonly previous: CrlRecord | null
  /** What a CRL of that moment lists. */
  readonly listed: (thisUpdate: Instant) => readonly CrlEntry[]
}

/**
 * One CRL, from the decision to sign it to its row: recorded before it is signed like everything else. Of two replicas
 * who publish the same scope at once, one has made a CRL that nobody gets to see.
 * @throws CRL_CHANGED, TEMPLATE_INVALID, LINT_FAILED, SIGNATURE_INVALID, what the signer and the store throw
 */
export async function publishCrl(ports: CrlPorts, order: CrlOrder): Promise<CrlRecord> {
  const { journal, profile } = ports
  const { signer, scope, previous } = order
  const { authorityId: authority } = signer
  // 1. Until when it may be gone by, and its number: higher than any before, whatever the clock says.
  const moment = await readClock(ports)
  const times = crlTimes(moment, { previous, end: signer.notAfter })
  const number = nextCrlNumber(previous, moment.now)
  // 2. Build what is to be signed.
  const point = distributionPointOf(profile.statusUrl, authority, scope)
  const content = {
    signer,
    entries: order.listed(times.thisUpdate),
    number: BigInt(number),
    ...times,
    ...(point === null ? {} : { scope: { distributionPoint: point, only: undefined } }),
  }
  const prepared = await prepareCrl(content, otherWork)
  // 3. Commit the intent with its audit leaf, if nothing was published meanwhile.
  const leaf = { object: prepared.object, scope, commitments: prepared.commitments }
  const guards = [unchanged(authority, scope, previous)]
  const receipt = await record<Commit>(journal, commitOf({ ...leaf, type: 'crl.intent', guards, changes: [] }))
  // 4. Sign, verify, read it as a stranger would.
  const crl = await sign(prepared, receipt)
  // 5. Publish it: a compare-and-swap on the row of its scope.
  const row = { id: crlId(authority, scope), authority, scope, number, der: crl.der, ...times }
  const changes = [replacing(previous, row)]
  const commitments = { crl: `sha-256:${toHex(crl.fingerprint)}` }
  const published = commitOf({ ...leaf, commitments, type: 'crl.published', guards: [], changes })
  await record<Commit>(journal, { ...published, events: [eventOf(row)] })
  // 6. This replica serves it from now on; others look for a higher number.
  ports.crls.keep(row)
  return row
}

/** A clock that is known to be wrong keeps nobody from hearing what was taken back. */
async function readClock({
  clock,
  clockGuard,
}: CrlPorts): Promise<{ readonly now: Instant; readonly isRight: boolean }> {
  try {
    return { now: await clockGuard.check(), isRight: true }
  } catch (error) {
    if (!isWritError(error, 'CLOCK_BEHIND_MARK', 'CLOCK_DIFFERS')) throw error
    return { now: clock.now(), isRight: false }
  }
}

/** Octet for octet the distribution point in the certificates of that shard (R6); null for what covers everything. */
export function distributionPointOf(statusUrl: string | null, authority: string, scope: string): string | null {
  return scope === COMPLETE ? null : `${statusUrl ?? ''}/crl/${authority}/${scope}.crl`
}

function changed(scope: string): ReturnType<typeof revocationError> {
  return revocationError('CRL_CHANGED', { details: { scope } })
}

function unchanged(authority: string, scope: string, previous: CrlRecord | null): Guard {
  const id = crlId(authority, scope)
  const refuse = () => changed(id)
  if (previous === null) return { table: 'Crl', must: 'not-exist', where: { id }, refuse }
  return { table: 'Crl', must: 'exist', where: { id, number: previous.number }, refuse }
}

function replacing(previous: CrlRecord | null, row: CrlRecord): Change {
  const refuse = () => changed(row.id)
  if (previous === null) return { op: 'insert', table: 'Crl', row, refuse }
  const { number, der, thisUpdate, nextUpdate } = row
  const where = { id: row.id, number: previous.number }
  return { op: 'update', table: 'Crl', where, set: { number, der, thisUpdate, nextUpdate }, refuse }
}

interface CrlCommit extends Pick<LeafDraft, 'type' | 'object' | 'commitments'>, Pick<Commit, 'guards' | 'changes'> {
  readonly scope: string
}

function commitOf({ guards, changes, scope, commitments, ...leaf }: CrlCommit): Commit {
  const decided = { actor: 'system', decision: 'permit', inputDigest: null, policy: null } as const
  return {
    lock: 'none',
    guards,
    changes,
    leaf: { ...leaf, ...decided, commitments: { scope, ...commitments } },
    events: [],
  }
}

function eventOf({ authority, scope, number }: CrlRecord): Commit['events'][number] {
  return { type: 'crl.published', data: { authority, scope, number } }
}
