import type { ActiveSigner } from '#authority/index.ts'
import { utf8 } from '#kernel/bytes.ts'
import { sha256Hex } from '#kernel/digest.ts'
import type { Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Grant } from '#policy/index.ts'
import {
  finishCompact,
  introspectionClaims,
  jwtSvidClaims,
  PreparedHeader,
  securityEventClaims,
  statusListClaims,
  taskTokenToJson,
  TOKEN_KINDS,
  witSvidClaims,
  type IntrospectionFields,
  type JwtSvidFields,
  type SecurityEventFields,
  type StatusListFields,
  type TaskTokenClaims,
  type WitSvidFields,
} from '#jwt/index.ts'
import { issuanceError } from './errors.ts'
import { requestGranted } from './granted.ts'
import { preparedOf, type Prepared } from './prepared.ts'

type IssuedTokenKind = 'task-token' | 'jwt-svid' | 'wit-svid' | 'introspection' | 'status-list' | 'security-event'

/** A token that is ready to be recorded and then signed; signing gives its compact text. */
export type PreparedToken = Prepared<string>

/**
 * A task token for exactly what was granted; its `policy` is the digest of the rights that decided.
 * @throws GRANT_MISMATCH, SIGNER_MISMATCH, LIFETIME_TOO_SHORT, JWT_CLAIM_INVALID, JWT_SUBJECT_WRONG
 */
export function prepareTaskToken(grant: Grant, signer: ActiveSigner, claims: TaskTokenClaims): PreparedToken {
  const granted = requestGranted(grant, 'task-token')
  const isSame =
    granted['task'] === claims.task.id &&
    granted['subject'] === claims.subject &&
    granted['actor'] === claims.client.toString() &&
    granted['audience'] === claims.audience &&
    endsBy(claims.expiresAt, granted['expires_at'])
  if (!isSame) throw issuanceError('GRANT_MISMATCH')
  const json = taskTokenToJson({ ...claims, policy: grant.policyDigest })
  return prepareToken('task-token', signer, { claims: json, id: claims.id, expiresAt: claims.expiresAt })
}

/** @throws GRANT_MISMATCH, SIGNER_MISMATCH, LIFETIME_TOO_SHORT, JWT_CLAIM_INVALID */
export function prepareJwtSvid(grant: Grant, signer: ActiveSigner, fields: JwtSvidFields): PreparedToken {
  const granted = requestGranted(grant, 'jwt-svid')
  const lifetime = granted['lifetime']
  const isSame =
    granted['spiffe_id'] === fields.subject.toString() &&
    JSON.stringify(granted['audiences']) === JSON.stringify([...fields.audience].sort()) &&
    typeof lifetime === 'number' &&
    endsBy(fields.expiresAt, fields.issuedAt + lifetime)
  if (!isSame) throw issuanceError('GRANT_MISMATCH')
  return prepareToken('jwt-svid', signer, {
    claims: jwtSvidClaims(fields),
    id: fields.id,
    expiresAt: fields.expiresAt,
  })
}

export interface WitSvidDraft {
  readonly fields: WitSvidFields
  /** `beside`: by the very intent of its certificate, whose leaf commits to both. */
  readonly recorded: 'beside' | 'alone'
}

/**
 * A WIT-SVID, for the same identity and no longer than was granted for the certificate that it goes with.
 * @throws GRANT_MISMATCH, SIGNER_MISMATCH, LIFETIME_TOO_SHORT
 */
export function prepareWitSvid(grant: Grant, signer: ActiveSigner, { fields, recorded }: WitSvidDraft): PreparedToken {
  const granted = requestGranted(grant, 'x509-svid')
  const lifetime = granted['lifetime']
  const isSame =
    granted['spiffe_id'] === fields.subject.toString() &&
    typeof lifetime === 'number' &&
    endsBy(fields.expiresAt, fields.issuedAt + lifetime)
  if (!isSame) throw issuanceError('GRANT_MISMATCH')
  const token = { claims: witSvidClaims(fields), id: fields.id, expiresAt: fields.expiresAt }
  const beside = { object: `certificate:${fields.certificate}`, commitment: 'wit' } as const
  return prepareToken('wit-svid', signer, recorded === 'beside' ? { ...token, ...beside } : token)
}

/**
 * An answer about a token. It grants nothing, so that there is no Grant; it is signed with a key that signs no token.
 * @throws SIGNER_MISMATCH, LIFETIME_TOO_SHORT
 */
export function prepareIntrospection(
  signer: ActiveSigner,
  fields: IntrospectionFields & { readonly id: string },
): PreparedToken {
  const claims = introspectionClaims(fields)
  return prepareToken('introspection', signer, { claims, id: fields.id, expiresAt: fields.issuedAt })
}

/**
 * A list that says which tokens are invalid. Like an introspection answer it grants nothing.
 * @throws SIGNER_MISMATCH, LIFETIME_TOO_SHORT
 */
export function prepareStatusList(signer: ActiveSigner, fields: StatusListFields): PreparedToken {
  const token = { claims: statusListClaims(fields), id: fields.uri, expiresAt: fields.expiresAt }
  return prepareToken('status-list', signer, { ...token, object: `status-list:${fields.uri}` })
}

/**
 * A message to a receiver. It grants nothing, and is signed with a key that signs nothing else.
 * @throws SIGNER_MISMATCH, LIFETIME_TOO_SHORT
 */
export function prepareSecurityEvent(signer: ActiveSigner, fields: SecurityEventFields): PreparedToken {
  const claims = securityEventClaims(fields)
  const object = `security-event:${fields.id}`
  return prepareToken('security-event', signer, { claims, id: fields.id, expiresAt: fields.issuedAt, object })
}

function endsBy(expiresAt: Instant, latest: unknown): boolean {
  return typeof latest === 'number' && expiresAt <= latest
}

interface Token {
  readonly claims: JsonObject
  readonly id: string
  readonly expiresAt: Instant
  /** Of the leaf that commits to it, where that is not its own. */
  readonly object?: string
  readonly commitment?: 'wit'
}

function prepareToken(kind: IssuedTokenKind, signer: ActiveSigner, token: Token): PreparedToken {
  if (TOKEN_KINDS[kind].authority !== signer.kind) {
    throw issuanceError('SIGNER_MISMATCH', { details: { kind: signer.kind } })
  }
  // Whoever verifies it fetches the key as long as it is published, which may end with the authority.
  if (token.expiresAt > signer.notAfter) throw issuanceError('LIFETIME_TOO_SHORT')
  const input = headerOf(kind, signer).signingInput(token.claims)
  const message = utf8(input)
  return preparedOf({
    signer,
    message,
    hash: sha256Hex(message),
    commitment: token.commitment ?? 'payload',
    object: token.object ?? `token:${token.id}`,
    finish: (signature) => finishCompact(input, signature, signer.algorithm),
  })
}

const headers = new WeakMap<ActiveSigner, PreparedHeader>()

/** An authority signs one kind of token, so that one header for each is enough. */
function headerOf(kind: IssuedTokenKind, signer: ActiveSigner): PreparedHeader {
  const known = headers.get(signer)
  if (known?.kind === kind) return known
  const made = new PreparedHeader(kind, signer.algorithm, signer.kid)
  headers.set(signer, made)
  return made
}
