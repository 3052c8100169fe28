import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import type { IssuanceProfile } from '#issuance/index.ts'
import { toHex, utf8 } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
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
import { NOTHING_BESIDES, type Besides } from '../approvals/besides.ts'
import { changeTask } from '../change-task.ts'
import type { Guard, Reader, StoryPorts } from '../ports.ts'
import { recordingDenials, type Attempt } from '../recorded-story.ts'
import { findHits, findIndexedHits, type RevocationHits } from './hits.ts'
import { lastIssueTime, nothingIssuedSince } from './last-issue.ts'
import { findTarget, type Reached, type Rights, type RevocationRequest, type Target } from './target.ts'

export interface RevokePorts extends StoryPorts {
  /** How our own trust domain is called; and receivers know a subject by a digest that has our issuer in it. */
  readonly profile: Pick<IssuanceProfile, 'publicUrl' | 'trustDomain'>
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
 * before stays as it was, with its first reason, unless its key turns out to be compromised. `also` goes into the same
 * commit.
 * @throws ROLE_REQUIRED, REVOCATION_TARGET_UNKNOWN, REVOCATION_VALUE_INVALID, REVOCATION_REASON_UNFIT,
 *   CUTOFF_OUTDATED when others keep issuing under clocks ahead of ours
 */
export function revoke(
  ports: RevokePorts,
  caller: Caller,
  request: RevocationRequest,
  also: Besides = NOTHING_BESIDES,
): Promise<Revocation> {
  return recordingDenials(ports, attemptOf(caller, request), async (watched) => {
    for (let left = ATTEMPTS - 1; ; left--) {
      try {
        return await revokeOnce(watched, caller, request, also)
      } catch (error) {
        if (left === 0 || !isWritError(error, 'CUTOFF_OUTDATED', 'CRL_CHANGED')) throw error
      }
    }
  })
}

/** What is known of it before anything is decided. */
export function attemptOf(caller: Caller, request: RevocationRequest): Attempt {
  return { type: 'credential.revoked', actor: caller.name, object: objectOf(request) }
}

/** What `revoke` would hit, and whose it is. @throws as `revoke` */
export async function previewRevocation(
  { reader, clock, profile }: Pick<RevokePorts, 'reader' | 'clock' | 'profile'>,
  caller: Rights,
  request: RevocationRequest,
): Promise<Revocation> {
  const now = clock.now()
  const target = await findTarget({ reader, caller, request, now, trustDomain: profile.trustDomain.name })
  return { request, changed: false, hits: await findHits(reader, target, now) }
}

async function revokeOnce(
  ports: RevokePorts,
  caller: Caller,
  request: RevocationRequest,
  also: Besides,
): Promise<Revocation> {
  const { reader, clock, profile } = ports
  // 1. What it is, and whether the caller may.
  const now = clock.now()
  const target = await findTarget({ reader, caller, request, now, trustDomain: profile.trustDomain.name })
  // 2. What dies with it, for whoever asked. It is read before the commit, so the list may lack what is issued meanwhile.
  const hits = await findIndexedHits(reader, target, now)
  // 3. One commit under the exclusive lock: whoever issues comes before it and is reached, or finds it done.
  const changed =
    request.handle === 'task' ? await endTask(ports, caller, request) : await commit(ports, caller, target, also)
  return { request, changed, hits }
}

/** A task has a state of its own, which says the same as its cutoff. */
async function endTask(ports: StoryPorts, caller: Caller, { value }: RevocationRequest): Promise<boolean> {
  const before = await ports.reader.find('Task', { id: value, state: 'revoked' })
  if (before !== null) return false
  await changeTask(ports, caller, value, { action: 'revoke', right: 'end', target: 'revoked', cut: 'for-ever' })
  return true
}

async function commit(ports: RevokePorts, caller: Caller, target: Target, also: Besides): Promise<boolean> {
  const { request } = target
  const by = { actor: caller.name, at: ports.clock.now() }
  const wanted = [
    ...(target.cut === null ? [] : [target.cut]),
    ...target.keys.map((value) => ({ kind: 'spki', value, for: 'ever' }) as const),
  ]
  const cuts = await Promise.all(wanted.map((reached) => cutOff(ports.reader, reached, request, by)))
  const needed = cuts.filter((cut) => cut !== null)
  const isNew = needed.length > 0 || target.changes.length > 0
  // An approval is used up also by what changes nothing.
  if (!isNew && also.changes.length === 0) return false
  await record(ports.journal, {
    lock: 'revoke',
    guards: [...needed.flatMap(({ guards }) => guards), ...also.guards],
    changes: [...target.changes, ...needed.map(({ change }) => change), ...also.changes],
    leaf: {
      ...adminLeaf(
        { type: 'credential.revoked', actor: caller.name, object: objectOf(request) },
        { handle: request.handle, reason: request.reason, ...also.commitments },
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
  return isNew
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
  const before = reached.for === 'ever' ? FOR_EVER : pastEverything(await lastIssueTime(reader, by.at))
  if (isDone(stored, before, reason)) return null
  const refuse = () => revocationError('CUTOFF_OUTDATED')
  const raised = raiseCutoff({ kind, value, before, reason: keptReason(stored, reason) }, by, refuse)
  const since = reached.for === 'ever' ? [] : nothingIssuedSince(before)
  return {
    guards: [raised.guard, unchanged(stored, raised.change.row.key), ...since],
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

/** Users are personal data: the log and the events have their digest. */
function publicValue({ handle, value }: RevocationRequest): string {
  return PERSONAL.includes(handle) ? `sha-256:${toHex(sha256(utf8(value)))}` : value
}

const PERSONAL: readonly string[] = ['subject', 'selector']

function objectOf(request: RevocationRequest): string {
  return `${request.handle}:${publicValue(request)}`
}
