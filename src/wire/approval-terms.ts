import { z } from 'zod'
import { id, instantText, text } from './values.ts'

/** What a command may say about approval, besides what it does: at most one of the two. */
export const approvalTerms = {
  /** The approval to use. */
  approval: id('approval').optional(),
  /** Does it without approvers once the delay is over. */
  break_glass: z.strictObject({ reason: text(512) }).optional(),
}

/** The exact command that people decide on. */
export const approvalCommand = z.object({
  kind: text(64),
  request: z.record(z.string().max(64), z.union([z.string().max(2048), z.number(), z.boolean()])),
})

/** With status 202: nothing was done; others have to agree first. */
export const approvalAsked = z.object({
  approval: id('approval'),
  state: z.enum(['pending', 'approved', 'denied', 'used', 'expired']),
  /** How many approvals it takes, and how many there are. */
  needed: z.int().min(1),
  given: z.int().min(0),
  expires_at: instantText,
  /** Of a break-glass request: from when on it may be done without approvers. */
  effective_at: instantText.nullable(),
  command: approvalCommand,
})
export type ApprovalAsked = z.output<typeof approvalAsked>
