import type { Caller } from '#authentication/index.ts'
import { stepAuthority, type StepOutcome, type StepRequest } from '../admin/authorities.ts'
import type { AuthorityPorts } from '../issuance-ports.ts'
import { recordingDenials } from '../recorded-story.ts'
import { OPEN, requireApproval, type ApprovalPorts, type ApprovalTerms, type Passage } from './require-approval.ts'
import { requestOf } from './rules.ts'

/** Done, or waiting for people. */
export type Gated<Answer> =
  { readonly kind: 'done'; readonly answer: Answer } | Exclude<Passage, { readonly kind: 'open' }>

/** The steps that nobody takes alone where the configuration asks for approvals. */
const GATED: readonly StepRequest['step'][] = ['activate', 'retire', 'taint']

export type GatedStepRequest = StepRequest & ApprovalTerms

/** `stepAuthority` under the two-person rule. @throws as it, and as `requireApproval` */
export async function stepAuthorityApproved(
  ports: AuthorityPorts & ApprovalPorts,
  caller: Caller,
  { approval, breakGlass, ...step }: GatedStepRequest,
): Promise<Gated<StepOutcome>> {
  const passage = await passageOf(ports, caller, step, { approval, breakGlass })
  if (passage.kind !== 'open') return passage
  return { kind: 'done', answer: await stepAuthority(ports, caller, step, passage.besides) }
}

async function passageOf(
  ports: AuthorityPorts & ApprovalPorts,
  caller: Caller,
  step: StepRequest,
  terms: ApprovalTerms,
): Promise<Passage | Extract<Gated<StepOutcome>, { readonly kind: 'done' }>> {
  const rule = ports.approvals.authority
  if (step.dryRun || rule.needed === 0 || !GATED.includes(step.step)) return OPEN
  // What cannot be done is refused to whoever asks, and not to the approvers.
  const foreseen = await stepAuthority(ports, caller, { ...step, dryRun: true })
  // What was done before asks nobody again, nor is it done again: it may have been taken back meanwhile. A taint may say
  // more of what is tainted already.
  if (foreseen.length === 0 && step.step !== 'taint' && terms.approval === undefined) {
    return { kind: 'done', answer: foreseen }
  }
  const kind = `authority.${step.step}`
  const attempt = { type: kind, actor: caller.name, object: `authority:${step.id}` }
  return recordingDenials(ports, attempt, (watched) =>
    requireApproval(watched, caller, { kind, request: requestOf({ ...step, dryRun: undefined }), rule }, terms),
  )
}
