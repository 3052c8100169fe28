import { z } from 'zod'
import { approvalAsked } from './approval-terms.ts'
import { authorityChanges } from './authorities.ts'
import { revocationHits } from './revocation.ts'
import { id, instantText, listOf, text } from './values.ts'

/** `POST /v1/approvals/{id}/approve` and `…/deny`. */
export const approvalDecisionRequest = z.strictObject({ reason: text(512).optional() }).optional()
export type ApprovalDecisionRequest = z.output<typeof approvalDecisionRequest>

export const approvalView = approvalAsked.omit({ approval: true, needed: true, given: true }).extend({
  id: id('approval'),
  /** `2`, or `2-of-3`. */
  rule: text(16),
  requested_by: text(2048),
  decisions: z.array(
    z.object({
      by: text(2048),
      verdict: z.enum(['approve', 'deny', 'break_glass']),
      at: instantText,
      reason: text(512).nullable(),
    }),
  ),
  created_at: instantText,
  used_at: instantText.nullable(),
})
export type ApprovalView = z.output<typeof approvalView>

export const approvalList = listOf(approvalView)

/** `GET /v1/approvals/{id}`: with what the command would do if it were carried out now, or why it could not be. */
export const approvalShown = approvalView.extend({
  effect: z.object({
    hits: revocationHits.nullable(),
    changes: authorityChanges.nullable(),
    /** An error code. */
    refused: text(64).nullable(),
  }),
})
export type ApprovalShown = z.output<typeof approvalShown>
