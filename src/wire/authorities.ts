import { z } from 'zod'
import { authorityView } from './admin.ts'
import { approvalAsked, approvalTerms } from './approval-terms.ts'
import { id } from './values.ts'

const pem = z.string().min(1).max(16_384)

/** `POST /v1/authorities`: a new key whose certificate a ceremony is to sign. */
export const requestAuthorityRequest = z.strictObject({ kind: z.literal('x509') })
export const authorityRequested = z.object({ authority: authorityView, request: pem })
export type AuthorityRequested = z.output<typeof authorityRequested>

/** `POST /v1/authorities/import`: one certificate from a ceremony, PEM. */
export const importAuthorityRequest = z.strictObject({ certificate: pem })

/** `POST /v1/authorities/{id}/{step}`. `version`, so that nobody moves on what they have not seen. */
export const authorityStepRequest = z.strictObject({
  version: z.int().min(1).optional(),
  urgent: z.boolean().optional(),
  dry_run: z.boolean().optional(),
  ...approvalTerms,
})

export const authorityChanges = z.array(
  z.object({
    authority: id('authority'),
    state: z.enum(['prepared', 'published', 'active', 'retiring', 'retired', 'tainted']),
  }),
)

export const authorityStepAnswer = z.object({ dry_run: z.boolean(), changes: authorityChanges })
export type AuthorityStepAnswer = z.output<typeof authorityStepAnswer>

/** What was done; or, with status 202, what has to be agreed to first. */
export const authorityStepAnswered = z.union([authorityStepAnswer, approvalAsked])
