import type { PolicyCode } from './errors.ts'
import type { DecisionInput, Request, Rights, Wanted } from './input.ts'

export type Decision = 'permit' | PolicyCode

/**
 * Pure: the same input gives the same answer, today and when it is replayed (promise 9). Every rule denies; permit is
 * what is left when all of them are silent, and a rule that fails while deciding denies (promise 2).
 */
export function decide(input: DecisionInput): Decision {
  try {
    if (!isVersionOne(input)) return 'POLICY_UNDECIDABLE'
    if (input.state !== 'active') return 'POLICY_AGENT_NOT_ACTIVE'
    return decideRequest(input) ?? 'permit'
  } catch {
    return 'POLICY_UNDECIDABLE'
  }
}

/** A replayed input is text from outside; its version may be any. */
function isVersionOne(input: { readonly v: number }): boolean {
  return input.v === 1
}

function decideRequest(input: DecisionInput): PolicyCode | null {
  const { request, rights } = input
  switch (request.purpose) {
    case 'x509-svid':
      return denyX509(rights, request)
    case 'jwt-svid':
      return denyJwtSvid(rights, request)
    case 'task':
      return denyTask(rights, request, input.at)
    case 'task-token':
      return denyToken(rights, request, input.at)
    default:
      return 'POLICY_UNDECIDABLE'
  }
}

type RequestOf<Purpose extends Request['purpose']> = Extract<Request, { readonly purpose: Purpose }>

function denyX509(rights: Rights, request: RequestOf<'x509-svid'>): PolicyCode | null {
  if (!ownsId(rights, request.spiffe_id)) return 'POLICY_SPIFFE_ID'
  if (!rights.key_classes.includes(request.key_class)) return 'POLICY_KEY_CLASS'
  if (!request.dns_names.every((name) => rights.dns_names.includes(name))) return 'POLICY_DNS_NAME'
  return within(request.lifetime, rights.x509_lifetime) ? null : 'POLICY_LIFETIME'
}

function denyJwtSvid(rights: Rights, request: RequestOf<'jwt-svid'>): PolicyCode | null {
  if (!ownsId(rights, request.spiffe_id)) return 'POLICY_SPIFFE_ID'
  const known = (audience: string) => audience === request.issuer || Object.hasOwn(rights.permissions, audience)
  if (request.audiences.length === 0 || !request.audiences.every(known)) return 'POLICY_AUDIENCE'
  return within(request.lifetime, rights.jwt_lifetime) ? null : 'POLICY_LIFETIME'
}

function denyTask(rights: Rights, request: RequestOf<'task'>, at: number): PolicyCode | null {
  if (!(request.max_depth <= rights.max_depth)) return 'POLICY_DEPTH'
  if (!within(request.deadline - at, rights.max_task_lifetime)) return 'POLICY_LIFETIME'
  return denyAuthority(rights, request.authority)
}

function denyToken(rights: Rights, request: RequestOf<'task-token'>, at: number): PolicyCode | null {
  if (!ownsId(rights, request.actor)) return 'POLICY_SPIFFE_ID'
  if (!rights.key_classes.includes(request.key_class)) return 'POLICY_KEY_CLASS'
  if (!(request.expires_at <= request.attested_at + rights.max_attestation_age)) return 'POLICY_ATTESTATION_AGE'
  if (!(request.depth <= rights.max_depth)) return 'POLICY_DEPTH'
  if (!within(request.expires_at - at, rights.token_lifetime)) return 'POLICY_LIFETIME'
  if (!request.authority.every((wanted) => wanted.resource === request.audience)) return 'POLICY_AUDIENCE'
  return denyAuthority(rights, request.authority)
}

/** Nothing asked for is nothing permitted. */
function denyAuthority(rights: Rights, authority: readonly Wanted[]): PolicyCode | null {
  if (authority.length === 0) return 'POLICY_ACTION'
  for (const wanted of authority) {
    const actions = Object.hasOwn(rights.permissions, wanted.resource) ? rights.permissions[wanted.resource] : undefined
    if (actions === undefined) return 'POLICY_AUDIENCE'
    if (wanted.actions.length === 0) return 'POLICY_ACTION'
    if (!wanted.actions.every((action) => actions.includes(action))) return 'POLICY_ACTION'
  }
  return null
}

/** The path of an instance is one segment below its agent's; with `identity: agent` the two are one. */
function ownsId(rights: Rights, spiffeId: string): boolean {
  const path = spiffeId.replace(/^spiffe:\/\/[^/]+/, '')
  if (rights.identity === 'agent') return path === rights.path
  return path.startsWith(`${rights.path}/`) && !path.slice(rights.path.length + 1).includes('/')
}

function within(length: number, limit: number): boolean {
  return length > 0 && length <= limit
}
