import { record } from '#audit/index.ts'
import type { Caller, PrincipalRecord } from '#authentication/index.ts'
import { newId } from '#kernel/ids.ts'
import { after, type Instant } from '#kernel/instant.ts'
import { canonicalize } from '#kernel/json.ts'
import {
  approvalError,
  checkUse,
  requestDigest,
  ruleText,
  type ApprovalDecision,
  type ApprovalRecord,
  type ApprovalRule,
  type ApprovalRules,
  type Command,
} from '#policy/index.ts'
import { adminLeaf } from '../admin/standing.ts'
import type { Change, Guard, Reader, StoryPorts } from '../ports.ts'
import { NOTHING_BESIDES, type Besides } from './besides.ts'

export interface ApprovalPorts extends StoryPorts {
  readonly approvals: ApprovalRules
}

/** A command that people may have to agree to, and the rule for it. */
export interface GatedCommand extends Command {
  readonly rule: ApprovalRule
}

/** What whoever asks says about approval. */
export interface ApprovalTerms {
  /** The one to use. */
  readonly approval?: string | undefined
  /** Asks for it to be done without approvers once the delay is over; the reason is mandatory. */
  readonly breakGlass?: { readonly reason: string } | undefined
}

/** Go on, with this in the same commit; or others have to agree first, and nothing has been done. */
export type Passage =
  | { readonly kind: 'open'; readonly besides: Besides }
  | { readonly kind: 'asked'; readonly approval: ApprovalRecord; readonly rule: ApprovalRule }

export const OPEN: Passage = { kind: 'open', besides: NOTHING_BESIDES }

/**
 * The two-person rule over one exact command. Without an approval it writes down that one is asked for, and the command
 * is not carried out; with one, what it hands back makes the approval used in the commit of the command itself, so that
 * of any number of uses one wins, and a crash leaves both done or neither. The caller's right to the command is checked
 * before by whoever calls this.
 * @throws APPROVAL_UNKNOWN, APPROVAL_REASON_REQUIRED, and as `checkUse`
 */
export async function requireApproval(
  ports: ApprovalPorts,
  caller: Caller,
  command: GatedCommand,
  terms: ApprovalTerms,
): Promise<Passage> {
  if (command.rule.needed === 0) return OPEN
  if (terms.approval !== undefined) {
    return { kind: 'open', besides: await useOf(ports, caller, command, terms.approval) }
  }
  const approval = await ask(ports, caller, command, terms)
  return { kind: 'asked', approval, rule: command.rule }
}

async function useOf(
  { reader, clock }: ApprovalPorts,
  caller: Caller,
  command: GatedCommand,
  id: string,
): Promise<Besides> {
  const now = clock.now()
  const approval = await reader.find('Approval', { id })
  if (approval === null) throw approvalError('APPROVAL_UNKNOWN')
  const standing = await standingDecisions(reader, approval.decisions)
  checkUse(approval, { by: caller.name, command, rule: command.rule, standing }, now)
  return { guards: approversOf(standing), changes: [used(approval, now)], commitments: { approval: id } }
}

function used({ id, state, version }: ApprovalRecord, now: Instant): Change {
  return {
    op: 'update',
    table: 'Approval',
    where: { id, state, version },
    set: { state: 'used', usedAt: now, version: version + 1 },
    refuse: () => approvalError('APPROVAL_USED'),
  }
}

interface Standing extends ApprovalDecision {
  readonly principal: PrincipalRecord
}

/** Who lost the role since does not count any more. */
async function standingDecisions(reader: Reader, decisions: readonly ApprovalDecision[]): Promise<readonly Standing[]> {
  const rows = await Promise.all(decisions.map(({ by }) => reader.find('Principal', { subject: by, state: 'active' })))
  return decisions.flatMap((decision, index) => {
    const principal = rows[index] ?? null
    return principal?.roles.some((role) => role === 'approver' || role === 'admin') === true
      ? [{ ...decision, principal }]
      : []
  })
}

/** Whose word it rests on keeps the role until the commit. */
function approversOf(standing: readonly Standing[]): readonly Guard[] {
  const refuse = () => approvalError('APPROVAL_CHANGED')
  return standing
    .filter(({ verdict }) => verdict === 'approve')
    .map(({ principal: { id, version } }) => ({
      table: 'Principal',
      must: 'exist',
      where: { id, version, state: 'active' },
      refuse,
    }))
}

/** One request stands for however often it is repeated, until it has been decided and used. */
async function ask(
  ports: ApprovalPorts,
  caller: Caller,
  command: GatedCommand,
  { breakGlass }: ApprovalTerms,
): Promise<ApprovalRecord> {
  const now = ports.clock.now()
  if (breakGlass === undefined) {
    const asked = await askedBefore(ports.reader, caller, command, now)
    if (asked !== null) return asked
  }
  const approval = newApproval(ports, caller, command, breakGlass)
  await record(ports.journal, {
    lock: 'none',
    guards: [],
    changes: [{ op: 'insert', table: 'Approval', row: approval, refuse: () => approvalError('APPROVAL_CHANGED') }],
    leaf: adminLeaf(
      { type: typeOf(approval), actor: caller.name, object: `approval:${approval.id}` },
      { command: `sha-256:${approval.requestDigest}`, kind: approval.kind, rule: approval.rule },
      {
        request: canonicalize(approval.request),
        ...(breakGlass === undefined ? {} : { reason: breakGlass.reason.trim() }),
      },
    ),
    events: [{ type: typeOf(approval), data: eventData(approval) }],
  })
  return approval
}

async function askedBefore(
  reader: Reader,
  caller: Caller,
  command: Command,
  now: Instant,
): Promise<ApprovalRecord | null> {
  const [asked] = await reader.list('Approval', {
    where: {
      requestDigest: requestDigest(command),
      requestedBy: caller.name,
      state: { in: ['pending', 'approved'] },
      expiresAt: { gt: now },
      effectiveAt: null,
    },
    limit: 1,
  })
  return asked ?? null
}

function newApproval(
  { clock, random, approvals }: ApprovalPorts,
  caller: Caller,
  { kind, request, rule }: GatedCommand,
  breakGlass: ApprovalTerms['breakGlass'],
): ApprovalRecord {
  const now = clock.now()
  const reason = breakGlass?.reason.trim()
  if (reason === '') throw approvalError('APPROVAL_REASON_REQUIRED')
  const effectiveAt = reason === undefined ? null : after(now, approvals.breakGlassDelay)
  return {
    id: newId('approval', now, random),
    kind,
    request,
    requestDigest: requestDigest({ kind, request }),
    rule: ruleText(rule),
    decisions: reason === undefined ? [] : [{ by: caller.name, verdict: 'break_glass', at: now, reason }],
    requestedBy: caller.name,
    state: 'pending',
    version: 1,
    createdAt: now,
    expiresAt: after(effectiveAt ?? now, approvals.expiresAfter),
    effectiveAt,
    usedAt: null,
  }
}

function typeOf({ effectiveAt }: ApprovalRecord): string {
  return effectiveAt === null ? 'approval.requested' : 'approval.break_glass'
}

function eventData({ id, kind, effectiveAt }: ApprovalRecord): Readonly<Record<string, string | number>> {
  return { approval: id, kind, ...(effectiveAt === null ? {} : { effective_at: effectiveAt }) }
}
