import type { TaskTokenClaims } from '#jwt/index.ts'
import { wholeSecond } from '#kernel/instant.ts'
import { SpiffeId } from '#spiffe/index.ts'
import type { Mandate } from './mandate.ts'
import type { TaskTokenRecord } from './records.ts'

/** What a token has besides its mandate. */
export interface TokenFacts {
  readonly jti: string
  readonly issuer: string
  /** Digest of the policy that decided. */
  readonly policy: string
  /** Where its status stands. */
  readonly status: NonNullable<TaskTokenClaims['status']>
}

/** The claims of the token of a mandate (DESIGN.md section 4): exactly one confirmation, the current actor's. */
export function claimsOf(mandate: Mandate, facts: TokenFacts): TaskTokenClaims {
  const { spiffeId, confirmation } = mandate.bearer
  const issuedAt = wholeSecond(mandate.issuedAt)
  return {
    issuer: facts.issuer,
    subject: mandate.subject,
    audience: mandate.audience,
    client: SpiffeId.parse(spiffeId),
    issuedAt,
    notBefore: issuedAt,
    expiresAt: mandate.expiresAt,
    id: facts.jti,
    transaction: mandate.transaction,
    scope: mandate.scope.split(' '),
    authority: mandate.authority,
    actors: mandate.actors.map((actor) => SpiffeId.parse(actor)),
    confirmation,
    // The claim has whole seconds only; no token outlives what it says.
    task: { id: mandate.task, deadline: wholeSecond(mandate.deadline) },
    attestation: attestationOf(mandate),
    policy: facts.policy,
    status: facts.status,
  }
}

function attestationOf({ bearer }: Mandate): TaskTokenClaims['attestation'] {
  const { instance, key } = bearer
  const { attestor, attestedAt, evidenceDigest } = instance
  const known = { keyClass: key.class, attestor, at: attestedAt, evidence: `sha-256:${evidenceDigest}` }
  return key.source === undefined ? known : { ...known, keyClassSource: key.source }
}

export function tokenRecordOf(mandate: Mandate, jti: string, statusIndex: number): TaskTokenRecord {
  const { agent, instance, certificate } = mandate.bearer
  return {
    jti,
    task: mandate.task,
    parent: mandate.parent,
    ancestors: mandate.ancestors,
    actor: mandate.actor,
    agent: agent.id,
    instance: instance.id,
    audience: mandate.audience,
    confirmation: mandate.confirmation,
    certificate: certificate.serial,
    statusIndex,
    issuedAt: mandate.issuedAt,
    expiresAt: mandate.expiresAt,
    revokedAt: null,
  }
}
