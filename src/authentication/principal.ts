import { newId } from '#kernel/ids.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import { SpiffeId, type TrustDomain } from '#spiffe/index.ts'
import { authenticationError } from './errors.ts'
import { checkOrchestration } from './orchestration.ts'
import { ROLES, type PrincipalRecord, type Role } from './records.ts'

export interface PrincipalRequest {
  /** `local:<uid>`, or a SPIFFE ID. */
  readonly subject: string
  readonly name: string
  readonly roles: readonly Role[]
  /** What an orchestrator may open tasks for; nothing when they are left out. */
  readonly subjects?: readonly string[] | undefined
  readonly agents?: readonly string[] | undefined
}

const LOCAL = /^local:(?:0|[1-9][0-9]{0,9})$/
const MAX_NAME = 128

/**
 * @throws PRINCIPAL_SUBJECT_INVALID, PRINCIPAL_NAME_REQUIRED, PRINCIPAL_ROLES_INVALID and what `checkOrchestration`
 * throws
 */
export function createPrincipal(
  request: PrincipalRequest,
  surroundings: { readonly trustDomain: TrustDomain; readonly now: Instant; readonly random: Random },
): PrincipalRecord {
  const { trustDomain, now, random } = surroundings
  const name = request.name.trim()
  if (!isSubject(request.subject, trustDomain)) throw authenticationError('PRINCIPAL_SUBJECT_INVALID')
  if (name === '' || name.length > MAX_NAME || !name.isWellFormed())
    throw authenticationError('PRINCIPAL_NAME_REQUIRED')
  const { roles } = request
  const known = roles.every((role) => ROLES.includes(role))
  if (roles.length === 0 || !known || new Set(roles).size !== roles.length) {
    throw authenticationError('PRINCIPAL_ROLES_INVALID')
  }
  const id = newId('principal', now, random)
  const lists = checkOrchestration({ subjects: request.subjects ?? [], agents: request.agents ?? [] }, roles)
  const { subject } = request
  return { id, subject, name, roles: [...roles], ...lists, state: 'active', version: 1, createdAt: now }
}

/** People enroll under `/admin/<name>`, where one ID is for all of a person's devices. */
function isSubject(subject: string, trustDomain: TrustDomain): boolean {
  if (LOCAL.test(subject)) return true
  try {
    const id = SpiffeId.parse(subject)
    return id.isMemberOf(trustDomain) && id.segments.length === 2 && id.segments[0] === 'admin'
  } catch {
    return false
  }
}
