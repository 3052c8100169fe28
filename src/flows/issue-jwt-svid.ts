import type { AgentIdentity, Caller } from '#authentication/index.ts'
import { issuanceError, prepareJwtSvid } from '#issuance/index.ts'
import { errorsOf, type ErrorTable } from '#kernel/errors.ts'
import { newId } from '#kernel/ids.ts'
import { after, earliest, wholeSecond, type Instant } from '#kernel/instant.ts'
import { permitJwtSvid } from '#policy/index.ts'
import { requireActive, reregister } from '#registry/index.ts'
import { credentialGuards } from './credential-guards.ts'
import { tokenKeyGuard } from './issuance-guards.ts'
import { issueJwt } from './issue-token.ts'
import type { IssuePorts } from './issuance-ports.ts'
import { recordingDenials } from './recorded-story.ts'

export const JWT_SVID_ERRORS = {
  JWT_SVID_AUDIENCE_INVALID: 'Name 1 to 4 different audiences of at most 255 characters each.',
} as const satisfies ErrorTable

export const jwtSvidError = errorsOf(JWT_SVID_ERRORS)

export interface JwtSvidRequest {
  readonly audience: readonly string[]
}

export interface IssuedJwtSvid {
  readonly token: string
  readonly spiffeId: string
  readonly expiresAt: Instant
}

const MAX_AUDIENCES = 4
const MAX_AUDIENCE = 255

/**
 * A JWT-SVID of the caller's own instance, for audiences that its registration permits or for this server itself.
 * @throws CALLER_NOT_AGENT, AGENT_SUSPENDED, JWT_SVID_AUDIENCE_INVALID, POLICY_AUDIENCE, ATTESTATION_TOO_OLD
 */
export function issueJwtSvid(ports: IssuePorts, caller: Caller, asked: JwtSvidRequest): Promise<IssuedJwtSvid> {
  // 1. Whose it is to be.
  const holder = caller.requireAgent()
  const attempt = { type: 'token.issued', actor: caller.name, object: `instance:${holder.instance.id}` }
  return recordingDenials(ports, attempt, (watched) =>
    issueFor(watched, { holder, commitments: caller.commitments }, asked),
  )
}

interface Known {
  readonly holder: AgentIdentity
  /** How the caller was known. */
  readonly commitments: Readonly<Record<string, string>>
}

async function issueFor(ports: IssuePorts, known: Known, asked: JwtSvidRequest): Promise<IssuedJwtSvid> {
  const { holder } = known
  const { trustDomain } = ports.profile
  const now = await ports.clockGuard.check()
  // 2. The registration is decided again, and so is the policy. Nothing outlives what it rests on.
  const { grant, prepared, expiresAt, authority } = prepare(ports, holder, asked, now)
  // 3. Recorded, as long as everything that it rests on still stands, then signed.
  const leaf = {
    type: 'token.issued',
    actor: holder.spiffeId.toString(),
    inputDigest: grant.inputDigest,
    policy: grant.policyDigest,
    commitments: { ...known.commitments, kind: 'jwt-svid', certificate: holder.certificate.serial },
    private: { input: grant.input },
  }
  const guards = [...credentialGuards(trustDomain.name, holder, wholeSecond(now)), tokenKeyGuard(authority)]
  const commit = { guards, changes: [], leaf, events: [] }
  const token = await issueJwt(ports, { prepared, commit })
  return { token, spiffeId: holder.spiffeId.toString(), expiresAt }
}

function prepare(ports: IssuePorts, holder: AgentIdentity, asked: JwtSvidRequest, now: Instant) {
  const { agent, instance, spiffeId, certificate } = holder
  requireActive(agent)
  const registration = reregister(instance, agent, now)
  const issuedAt = wholeSecond(now)
  const audience = parseAudience(asked.audience)
  const { publicUrl } = ports.profile
  const lifetime = registration.jwtLifetime
  const facts = { at: issuedAt, spiffeId: spiffeId.toString(), issuer: publicUrl, lifetime }
  const grant = permitJwtSvid(agent, audience, facts)
  const signer = ports.authorities.current().active('jwt-svid')
  const expiresAt = wholeSecond(
    earliest(
      after(issuedAt, lifetime),
      certificate.notAfter,
      after(instance.attestedAt, agent.maxAttestationAge),
      signer.notAfter,
    ),
  )
  if (expiresAt <= now) throw issuanceError('LIFETIME_TOO_SHORT')
  const id = newId('token', now, ports.random)
  const named = agent.identity === 'agent' ? { instance: instance.id } : {}
  const fields = { ...named, issuer: `${publicUrl}/spiffe`, subject: spiffeId, audience, issuedAt, expiresAt, id }
  return { grant, prepared: prepareJwtSvid(grant, signer, fields), expiresAt, authority: signer.authorityId }
}

/** @throws JWT_SVID_AUDIENCE_INVALID */
function parseAudience(audience: readonly string[]): readonly string[] {
  const bounded = audience.length >= 1 && audience.length <= MAX_AUDIENCES
  const wellFormed = audience.every((text) => text !== '' && text.length <= MAX_AUDIENCE && text.isWellFormed())
  if (!bounded || !wellFormed || new Set(audience).size !== audience.length) {
    throw jwtSvidError('JWT_SVID_AUDIENCE_INVALID')
  }
  return audience
}
