import type { Caller } from '#authentication/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { approvalError, currentApproval, type ApprovalRecord, type CurrentApproval } from '#policy/index.ts'
import type { AgentStateRequest } from '../admin/agent-state.ts'
import { foreseeStep, type StepOutcome, type StepRequest } from '../admin/authorities.ts'
import { READERS } from '../admin/standing.ts'
import type { AuthorityPorts } from '../issuance-ports.ts'
import { readPage, type Page, type PageRequest } from '../pages.ts'
import type { RevocationHits } from '../revoke/hits.ts'
import { previewRevocation } from '../revoke/revoke.ts'
import type { RevocationRequest, Rights } from '../revoke/target.ts'
import type { ApprovalPorts } from './require-approval.ts'
import { RETIRED } from './rules.ts'

/** What a command would do if it were carried out now; all null where it cannot be said. */
export interface Effect {
  readonly hits: RevocationHits | null
  readonly changes: StepOutcome | null
  /** The code that it would be refused with. */
  readonly refused: string | null
}

export interface ShownApproval {
  readonly approval: CurrentApproval
  readonly effect: Effect
}

/** @throws ROLE_REQUIRED, CURSOR_INVALID, LIMIT_INVALID */
export async function listApprovals(
  ports: ApprovalPorts,
  caller: Caller,
  page: PageRequest,
): Promise<Page<CurrentApproval>> {
  caller.requireRole(...READERS)
  const now = ports.clock.now()
  const { items, next } = await readPage(ports.reader, 'Approval', page)
  return { items: items.map((approval) => currentApproval(approval, now)), next }
}

/** One approval, and what its command would do: the dry run of this moment. @throws ROLE_REQUIRED, APPROVAL_UNKNOWN */
export async function showApproval(
  ports: AuthorityPorts & ApprovalPorts,
  caller: Caller,
  id: string,
): Promise<ShownApproval> {
  caller.requireRole(...READERS)
  const approval = await ports.reader.find('Approval', { id })
  if (approval === null) throw approvalError('APPROVAL_UNKNOWN')
  return { approval: currentApproval(approval, ports.clock.now()), effect: await effectOf(ports, approval) }
}

const NONE: Effect = { hits: null, changes: null, refused: null }

async function effectOf(ports: AuthorityPorts, approval: ApprovalRecord): Promise<Effect> {
  if (approval.state === 'used' || approval.state === 'denied') return NONE
  try {
    return approval.kind.startsWith('authority.')
      ? { ...NONE, changes: await changesOf(ports, approval) }
      : { ...NONE, hits: await hitsOf(ports, revocationOf(approval)) }
  } catch (error) {
    if (isWritError(error)) return { ...NONE, refused: error.code }
    throw error
  }
}

/** Requests are stored as the API has parsed them. */
function changesOf(ports: AuthorityPorts, { request, requestedBy }: ApprovalRecord): Promise<StepOutcome> {
  const step = request as unknown as Omit<StepRequest, 'dryRun'>
  return foreseeStep(ports, requestedBy, { ...step, dryRun: true })
}

/** Ending an agent hits what revoking it does. */
function revocationOf({ kind, request }: ApprovalRecord): RevocationRequest {
  if (kind !== RETIRED) return request as unknown as RevocationRequest
  const { name } = request as unknown as AgentStateRequest
  return { handle: 'agent', value: name, reason: 'cessation_of_operation' }
}

async function hitsOf(ports: AuthorityPorts, request: RevocationRequest): Promise<RevocationHits> {
  const { hits } = await previewRevocation(ports, ANY, request)
  return hits
}

/** Whoever may see approvals may see what they are about; the rights to do it are those of whoever does it. */
const ANY: Rights = { requireRole: () => undefined }
