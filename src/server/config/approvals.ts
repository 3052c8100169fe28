import { z } from 'zod'
import { SECOND } from '#kernel/instant.ts'
import { approvalRules, type ApprovalRules } from '#policy/index.ts'

/** Of a principal, as `writ principal add` takes it. */
const subject = z
  .string()
  .max(2048)
  .regex(
    /^(?:local:\d{1,10}|spiffe:\/\/[^/]+\/admin\/[^/]+)$/,
    'write local:<uid>, or spiffe://<trust domain>/admin/<name>',
  )

const rule = {
  /** How many have to approve, besides whoever asks; 0 asks nobody. */
  needed: z.int().min(0).max(16).default(0),
  /** Who may approve; unless given, everybody with the role approver or admin. */
  of: z.array(subject).min(1).max(64).optional(),
}

interface Rule {
  readonly needed: number
  readonly of?: readonly string[] | undefined
}

const POSSIBLE = { path: ['needed'], message: 'more have to approve than "of" names; all local users count as one' }

function isPossible({ needed, of }: Rule): boolean {
  return of === undefined || needed <= new Set(of.map((name) => (name.startsWith('local:') ? 'local' : name))).size
}

/** Who has to agree before one person does what cannot be undone. */
export const approvalsSchema = z.strictObject({
  /** Activate, retire and taint an authority. */
  authority: z.strictObject(rule).refine(isPossible, POSSIBLE).prefault({}),
  /** Revoke by authority, selector or trust domain; by agent, node, evidence or key when it hits more than `above`. */
  mass_revocation: z
    .strictObject({ ...rule, above: z.int().min(0).max(999).default(0) })
    .refine(isPossible, POSSIBLE)
    .prefault({}),
  /** Seconds. */
  expires_after: z.int().min(60).max(604_800).default(3_600),
  /** Seconds until what was asked for by break-glass may be done without approvers. */
  break_glass_delay: z.int().min(60).max(86_400).default(900),
})
export type ApprovalsConfig = z.output<typeof approvalsSchema>

export function approvalRulesOf(config: ApprovalsConfig): ApprovalRules {
  const { authority, mass_revocation: mass, expires_after: expires, break_glass_delay: delay } = config
  return approvalRules({
    authority: { needed: authority.needed, of: authority.of ?? null },
    massRevocation: { needed: mass.needed, of: mass.of ?? null, above: mass.above },
    expiresAfter: expires * SECOND,
    breakGlassDelay: delay * SECOND,
  })
}
