import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { toHex, utf8 } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import type { IssuanceProfile } from '#issuance/index.ts'
import { instant, type Instant } from '#kernel/instant.ts'
import {
  cutoffKey,
  FOR_EVER,
  isDone,
  keptReason,
  pastEverything,
  raiseCutoff,
  revocationError,
  revocationNotice,
  subjectDigest,
  type CutoffChange,
  type CutoffRecord,
} from '#revocation/index.ts'
import { adminLeaf } from '../admin/standing.ts'
import { changeTask } from '../change-task.ts'
import type { Guard, Reader, StoryPorts } from '../ports.ts'
import { recordingDenials } from '../recorded-story.ts'
import { findHits, type RevocationHits } from './hits.ts'
import { findTarget, type Reached, type RevocationRequest, type Target } from './target.ts'

export interface RevokePorts extends StoryPorts {
  /** Receivers know a subject by a digest that has our issuer in it. */
  readonly profile: Pick<IssuanceProfile, 'publicUrl'>
}

export interface Revocation {
  readonly request: RevocationRequest
  /** False when it was so before, or when nothing was to be done (dry run). */
  readonly changed: boolean
  readonly hits: RevocationHits
}

const ATTEMPTS = 5

/**
 * Takes something back by any handle, in one commit whose cost does not depend on how much it hits. What was revoked
 * before stays as it was, with its first reason, unless its key turns out to be compromised.
 * @throws ROLE_REQUIRED, REVOCATION_TARGET_UNKNOWN, REVOCATION_VALUE_INVALID, REVOCATION_REASON_UNFIT,
 *   CUTOFF_OUTDATED when others keep issuing under clocks ahead of ours
 */
export function revoke(ports: RevokePorts, caller: Caller, request: RevocationRequest): Promise<Revocation> {
  const attempt = { type: 'credential.revoked', actor: caller.name, object: objectOf(request) }
  return recordingDenials(ports, attempt, async (watched) => {
    for (let left = ATTEMPTS - 1; ; left--) {
      try {
        return await revokeOnce(watched, caller, request)
      } catch (error) {
        if (left === 0 || !isWritError(error, 'CUTOFF_OUTDATED', 'CRL_CHANGED')) throw error
      }
    }
  })
}

/** What `revoke` would hit, and whose it is. @throws as `revoke` */
export async function previewRevocation(
  { reader, clock }: Pick<StoryPorts, 'reader' | 'clock'>,
  caller: Caller,
  request: RevocationRequest,
): Promise<Revocation> {
  const now = clock.now()
  const target = await findTarget({ reader, caller, request, now })
  return { request, changed: false, hits: await findHits(reader, target, now) }
}

async function revokeOnce(ports: RevokePorts, caller: Caller, request: RevocationRequest): Promise<Revocation> {
  const { reader, clock } = ports
  // 1. What it is, and whether the caller may.
  const now = clock.now()
  const target = await findTarget({ reader, caller, request, now })
  // 2. What dies with it, for whoever asked. It is read before the commit, so the list may lack what is issued meanwhile.
  const hits = await findHits(reader, target, now)
  // 3. One commit under the exclusive lock: whoever issues comes before it and is reached, or finds it done.
  const changed =
    request.handle === 'task' ? await endTask(ports, caller, request) : await commit(ports, caller, target)
  return { request, changed, hits }
}

/** A task has a state of its own, which says the same as its cutoff. */
async function endTask(ports: StoryPorts, caller: Caller, { value }: RevocationRequest): Promise<boolean> {
  const before = await ports.reader.find('Task', { id: value, state: 'revoked' })
  if (before !== null) return false
  await changeTask(ports, caller, value, { action: 'revoke', right: 'end', target: 'revoked', cut: 'for-ever' })
  return true
}

async function commit(ports: RevokePorts, caller: Caller, target: Target): Promise<boolean> {
  const { request } = target
  const by = { actor: caller.name, at: ports.clock.now() }
  const wanted = [
    ...(target.cut === null ? [] : [target.cut]),
    ...target.keys.map((value) => ({ kind: 'spki', value, for: 'ever' }) as const),
  ]
  const cuts = await Promise.all(wanted.map((reached) => cutOff(ports.reader, reached, request, by)))
  const needed = cuts.filter((cut) => cut !== null)
  if (needed.length === 0 && target.changes.length === 0) return false
  await record(ports.journal, {
    lock: 'revoke',
    guards: needed.flatMap(({ guards }) => guards),
    changes: [...target.changes, ...needed.map(({ change }) => change)],
    leaf: {
      ...adminLeaf(
        { type: 'credential.revoked', actor: caller.name, object: objectOf(request) },
        { handle: request.handle, reason: request.reason },
      ),
      private: { value: request.value },
    },
    events: [
      {
        type: 'credential.revoked',
        data: {
          handle: request.handle,
          value: publicValue(request),
          certificates: certificatesOf(target),
          ...revocationNotice(
            by.at,
            needed.map(({ change }) => change.row),
            (subject) => subjectDigest(ports.profile.publicUrl, subject),
          ),
        },
      },
    ],
  })
  return true
}

/** Serials of the rows that say it of themselves. */
function certificatesOf({ changes }: Target): readonly string[] {
  return changes.flatMap((change) => {
    const isRow = change.op === 'update' && change.table === 'Certificate'
    const serial = isRow ? change.where.serial : undefined
    return typeof serial === 'string' ? [serial] : []
  })
}

interface NewCut {
  readonly guards: readonly Guard[]
  readonly change: CutoffChange
}

/** Null when it reaches as far already. */
async function cutOff(
  reader: Reader,
  reached: Reached,
  { reason }: RevocationRequest,
  by: { readonly actor: string; readonly at: Instant },
): Promise<NewCut | null> {
  const { kind, value } = reached
  const stored = await reader.find('Cutoff', { key: cutoffKey(kind, value) })
  const before = reached.for === 'ever' ? FOR_EVER : pastEverything(by.at, await lastIssue(reader, reached, by.at))
  if (isDone(stored, before, reason)) return null
  const refuse = () => revocationError('CUTOFF_OUTDATED')
  const raised = raiseCutoff({ kind, value, before, reason: keptReason(stored, reason) }, by, refuse)
  return {
    guards: [raised.guard, unchanged(stored, raised.change.row.key), ...noneSince(reached, before)],
    change: raised.change,
  }
}

/** Of two operators at once the second sees what the first has written, and keeps its reason. */
function unchanged(stored: CutoffRecord | null, key: string): Guard {
  const refuse = () => revocationError('CUTOFF_OUTDATED')
  if (stored === null) return { table: 'Cutoff', must: 'not-exist', where: { key }, refuse }
  const { before, reason } = stored
  return { table: 'Cutoff', must: 'exist', where: { key, before, reason }, refuse }
}

/** Another replica's clock may be ahead of ours; what it has issued meanwhile has to be reached as well. */
function noneSince(reached: Reached, before: Instant): readonly Guard[] {
  if (reached.for === 'ever') return []
  const refuse = () => revocationError('CUTOFF_OUTDATED')
  if (reached.kind === 'subject') {
    // A token lives past its issue, so the index of expiries finds those that matter.
    const where = { expiresAt: { gt: before }, issuedAt: { gte: before } }
    return [{ table: 'TaskToken', must: 'not-exist', where, refuse }]
  }
  const where = { state: { in: LIVING }, issuedAt: { gte: before } }
  return [{ table: 'Certificate', must: 'not-exist', where, refuse }]
}

/** The highest issue time on record that such a cutoff has to reach: what was issued up to now it reaches anyway. */
async function lastIssue(reader: Reader, { kind }: Reached, now: Instant): Promise<Instant> {
  const later = { issuedAt: { gt: now } } as const
  const rows =
    kind === 'subject'
      ? await reader.list('TaskToken', { where: { ...later, expiresAt: { gt: now } }, limit: MOST_AHEAD })
      : await reader.list('Certificate', { where: { ...later, state: { in: LIVING } }, limit: MOST_AHEAD })
  return instant(Math.max(now, ...rows.map(({ issuedAt }) => issuedAt)))
}

/** What replicas whose clocks are ahead have issued; if there is more, the guard finds it and the next attempt too. */
const MOST_AHEAD = 1000
const LIVING = ['intent', 'issued'] as const

/** Users are personal data: the log and the events have their digest. */
function publicValue({ handle, value }: RevocationRequest): string {
  return PERSONAL.includes(handle) ? `sha-256:${toHex(sha256(utf8(value)))}` : value
}

const PERSONAL: readonly string[] = ['subject', 'selector']

function objectOf(request: RevocationRequest): string {
  return `${request.handle}:${publicValue(request)}`
}
