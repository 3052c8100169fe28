import { toNumericDate } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { SpiffeId } from '#spiffe/index.ts'
import { authorizationsToJson } from './task-authority.ts'
import type { TaskTokenClaims } from './task-token-claims.ts'
import { readTaskTokenClaims } from './read-task-token.ts'

/**
 * The claims as they are signed. What could not be read back is refused here.
 * @throws JWT_CLAIM_INVALID, JWT_SUBJECT_WRONG
 */
export function taskTokenToJson(claims: TaskTokenClaims): JsonObject {
  const json = { ...standardClaims(claims), ...ownClaims(claims) }
  readTaskTokenClaims(json)
  return json
}

function standardClaims(claims: TaskTokenClaims): JsonObject {
  return {
    iss: claims.issuer,
    sub: claims.subject,
    aud: claims.audience,
    client_id: claims.client.toString(),
    iat: toNumericDate(claims.issuedAt),
    nbf: toNumericDate(claims.notBefore),
    exp: toNumericDate(claims.expiresAt),
    jti: claims.id,
    txn: claims.transaction,
    scope: claims.scope.join(' '),
    authorization_details: authorizationsToJson(claims.authority),
  }
}

function ownClaims(claims: TaskTokenClaims): JsonObject {
  const act = actToJson(claims.actors)
  const { attestation, status, policy, approvals } = claims
  return {
    ...(act === undefined ? {} : { act }),
    cnf: { [claims.confirmation.method]: claims.confirmation.thumbprint },
    task: { id: claims.task.id, deadline: toNumericDate(claims.task.deadline) },
    ...(status === undefined ? {} : { status: { status_list: { idx: status.index, uri: status.uri } } }),
    attestation: {
      key_class: attestation.keyClass,
      ...(attestation.keyClassSource === undefined ? {} : { key_class_source: attestation.keyClassSource }),
      attestor: attestation.attestor,
      at: toNumericDate(attestation.at),
      evidence: attestation.evidence,
    },
    ...(policy === undefined ? {} : { policy }),
    ...(approvals === undefined ? {} : { approvals }),
  }
}

function actToJson(actors: readonly SpiffeId[]): JsonObject | undefined {
  return actors.reduceRight<JsonObject | undefined>(
    (inner, actor) => (inner === undefined ? { sub: actor.toString() } : { sub: actor.toString(), act: inner }),
    undefined,
  )
}
