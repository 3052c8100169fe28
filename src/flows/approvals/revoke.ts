import type { Caller } from '#authentication/index.ts'
import type { IssuanceProfile } from '#issuance/index.ts'
import type { MassRule } from '#policy/index.ts'
import type { Reader } from '../ports.ts'
import { recordingDenials } from '../recorded-story.ts'
import { countInstances } from '../revoke/hits.ts'
import { attemptOf, revoke, type Revocation } from '../revoke/revoke.ts'
import { findTarget, type RevocationRequest, type Target } from '../revoke/target.ts'
import { OPEN, requireApproval, type ApprovalPorts, type ApprovalTerms, type Passage } from './require-approval.ts'
import { requestOf } from './rules.ts'
import type { Gated } from './step-authority.ts'

export interface RevokePorts extends ApprovalPorts {
  readonly profile: Pick<IssuanceProfile, 'trustDomain' | 'publicUrl'>
}

export type GatedRevocationRequest = RevocationRequest & ApprovalTerms

/** What these reach is counted. */
const COUNTED: readonly RevocationRequest['handle'][] = ['agent', 'node', 'evidence', 'key']
/** These reach so much, or what no index finds, that counting is beside the point. */
const ALWAYS: readonly RevocationRequest['handle'][] = ['authority', 'selector', 'trust-domain']

/** `revoke` under the two-person rule, where it takes much back at once. @throws as it, and as `requireApproval` */
export async function revokeApproved(
  ports: RevokePorts,
  caller: Caller,
  { approval, breakGlass, ...request }: GatedRevocationRequest,
): Promise<Gated<Revocation>> {
  const passage = await passageOf(ports, caller, request, { approval, breakGlass })
  if (passage.kind === 'asked') return passage
  return { kind: 'done', answer: await revoke(ports, caller, request, passage.besides) }
}

async function passageOf(
  ports: RevokePorts,
  caller: Caller,
  request: RevocationRequest,
  terms: ApprovalTerms,
): Promise<Passage> {
  const rule = ports.approvals.massRevocation
  const { handle, value, reason } = request
  if (rule.needed === 0 || ![...COUNTED, ...ALWAYS].includes(handle)) return OPEN
  return recordingDenials(ports, attemptOf(caller, request), async (watched) => {
    const { reader, clock, profile } = watched
    const target = await findTarget({
      reader,
      caller,
      request,
      now: clock.now(),
      trustDomain: profile.trustDomain.name,
    })
    if (!(await isMass(reader, target, rule))) return OPEN
    const command = { kind: 'credential.revoked', request: requestOf({ handle, value, reason }), rule }
    return requireApproval(watched, caller, command, terms)
  })
}

async function isMass(reader: Reader, target: Target, { above }: MassRule): Promise<boolean> {
  return ALWAYS.includes(target.request.handle) || (await countInstances(reader, target)) > above
}
