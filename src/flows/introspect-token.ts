import { prepareIntrospection } from '#issuance/index.ts'
import type { Caller } from '#authentication/index.ts'
import { taskTokenToJson, type TaskTokenClaims } from '#jwt/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { newId } from '#kernel/ids.ts'
import type { Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { ResourceRecord } from '#registry/index.ts'
import { faultOf } from '#revocation/index.ts'
import type { IssuePorts } from './issuance-ports.ts'
import { issueJwt } from './issue-token.ts'
import type { StoryPorts } from './ports.ts'
import { verifyTaskToken, type VerifyPorts } from './subject-token.ts'
import { readTogether } from './read-together.ts'
import { readGrounds } from './token-grounds.ts'

export type IntrospectPorts = Pick<StoryPorts, 'reader' | 'clock'> & VerifyPorts

/** RFC 7662 section 2.2. An active token comes with its claims, `cnf` and `act` among them; any other with nothing. */
export type Introspection = InactiveToken | ActiveToken
export type InactiveToken = JsonObject & { readonly active: false }
export type ActiveToken = JsonObject & { readonly active: true; readonly token_type: 'Bearer' | 'DPoP' }

const INACTIVE: Introspection = { active: false }

/**
 * Says whether a task token is valid here and now (IN-1, IN-3), to a caller who may act for its audience. Unknown,
 * expired, revoked and somebody else's are told apart by nothing. Looking is no decision and writes no leaf.
 * @throws AUTHENTICATION_REQUIRED, CALLER_NOT_AGENT, CLIENT_CERTIFICATE_EXPIRED
 */
export async function introspectToken(
  ports: IntrospectPorts,
  caller: Caller,
  request: { readonly token: string },
): Promise<Introspection> {
  const { clock, profile } = ports
  const reader = readTogether(ports.reader)
  // 1. Somebody whom we know.
  const { agent } = caller.requireAgent()
  // 2. A token of ours.
  const now = clock.now()
  const claims = readToken(ports, request.token, now)
  if (claims === null) return INACTIVE
  // 3. For a resource that the caller may act for.
  const agentId = `spiffe://${profile.trustDomain.name}${agent.path}`
  const resource = await reader.find('Resource', { audience: claims.audience, state: 'active' })
  if (resource === null || !mayActFor(resource, caller.name, agentId)) return INACTIVE
  // 4. Valid, with everything that it rests on.
  const record = await reader.find('TaskToken', { jti: claims.id })
  if (record === null) return INACTIVE
  const grounds = await readGrounds(reader, record, profile.trustDomain.name)
  if (faultOf(grounds, now) !== null) return INACTIVE
  const type = claims.confirmation.method === 'jkt' ? 'DPoP' : 'Bearer'
  return { ...taskTokenToJson(claims), active: true, token_type: type }
}

/**
 * The same answer as a signed JWT for the caller alone (RFC 9701, IN-2), inactive ones too. A signature is issued, and
 * so it is recorded first.
 * @throws as introspectToken, and what issuing throws
 */
export async function introspectTokenAsJwt(
  ports: IssuePorts,
  caller: Caller,
  request: { readonly token: string },
): Promise<string> {
  const answer = await introspectToken(ports, caller, request)
  const issuedAt = await ports.clockGuard.check()
  const prepared = prepareIntrospection(ports.authorities.current().active('status'), {
    issuer: ports.profile.publicUrl,
    audience: caller.name,
    issuedAt,
    answer,
    id: newId('event', issuedAt, ports.random),
  })
  const leaf = { type: 'introspection.signed', actor: caller.name, inputDigest: null, policy: null }
  return issueJwt(ports, { prepared, commit: { guards: [], changes: [], leaf, events: [] } })
}

function readToken(ports: VerifyPorts, token: string, now: Instant): TaskTokenClaims | null {
  try {
    return verifyTaskToken(ports, token, now).claims
  } catch (error) {
    if (isWritError(error) && error.code.startsWith('JWT_')) return null
    throw error
  }
}

/** Exact SPIFFE IDs, or the ID of an agent, which covers its instances. */
export function mayActFor(resource: ResourceRecord, spiffeId: string, agentId: string): boolean {
  return resource.spiffeIds.includes(spiffeId) || resource.spiffeIds.includes(agentId)
}
