import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { approvalError, checkDecision, isApproved, type ApprovalDecision, type ApprovalRecord } from '#policy/index.ts'
import { adminLeaf } from '../admin/standing.ts'
import { recordingDenials } from '../recorded-story.ts'
import type { ApprovalPorts } from './require-approval.ts'
import { ruleFor } from './rules.ts'

export interface DecisionRequest {
  /** Of the approval. */
  readonly id: string
  readonly verdict: 'approve' | 'deny'
  readonly reason?: string | undefined
}

const ATTEMPTS = 5
const DONE = { approve: 'approval.approved', deny: 'approval.denied' } as const

/**
 * One approver's yes or no to one exact request. One no ends it.
 * @throws ROLE_REQUIRED, APPROVAL_UNKNOWN, APPROVAL_CHANGED, and as `checkDecision`
 */
export function decideApproval(
  ports: ApprovalPorts,
  caller: Caller,
  request: DecisionRequest,
): Promise<ApprovalRecord> {
  const attempt = { type: DONE[request.verdict], actor: caller.name, object: `approval:${request.id}` }
  return recordingDenials(ports, attempt, async (watched) => {
    caller.requireRole('approver')
    for (let left = ATTEMPTS - 1; ; left--) {
      try {
        return await decideOnce(watched, caller, request)
      } catch (error) {
        if (left === 0 || !isWritError(error, 'APPROVAL_CHANGED')) throw error
      }
    }
  })
}

async function decideOnce(
  { reader, journal, clock, approvals }: ApprovalPorts,
  caller: Caller,
  { id, verdict, reason }: DecisionRequest,
): Promise<ApprovalRecord> {
  // 1. Is there something to decide on, and is it this caller's to decide?
  const now = clock.now()
  const approval = await reader.find('Approval', { id })
  if (approval === null) throw approvalError('APPROVAL_UNKNOWN')
  const rule = ruleFor(approvals, approval.kind)
  checkDecision(approval, { name: caller.name, verdict, rule }, now)
  // 2. What becomes of it.
  const decision: ApprovalDecision = { by: caller.name, verdict, at: now, ...(reason === undefined ? {} : { reason }) }
  const decisions = [...approval.decisions, decision]
  const state = verdict === 'deny' ? 'denied' : isApproved(decisions, rule) ? 'approved' : approval.state
  const set = { decisions, state, version: approval.version + 1 }
  // 3. Commit, if nobody decided or used it meanwhile.
  await record(journal, {
    lock: 'revoke',
    guards: [],
    changes: [
      {
        op: 'update',
        table: 'Approval',
        where: { id, version: approval.version },
        set,
        refuse: () => approvalError('APPROVAL_CHANGED'),
      },
    ],
    leaf: adminLeaf(
      { type: DONE[verdict], actor: caller.name, object: `approval:${id}` },
      { command: `sha-256:${approval.requestDigest}`, state },
      reason === undefined ? {} : { reason },
    ),
    events: [{ type: DONE[verdict], data: { approval: id, kind: approval.kind, state } }],
  })
  return { ...approval, ...set }
}
