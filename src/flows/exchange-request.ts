import type { AgentIdentity } from '#authentication/index.ts'
import { parseAuthority, parseResource, parseScope, tasksError, type Asked } from '#tasks/index.ts'
import { ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { oauthError } from './oauth-errors.ts'

/** The parameters of RFC 8693 section 2.1, each at most once but `resource` and `audience`. Null is what was left out. */
export interface ExchangeRequest {
  readonly grantType: string
  readonly clientId: string | null
  readonly subjectToken: string | null
  readonly subjectTokenType: string | null
  readonly actorToken: string | null
  readonly actorTokenType: string | null
  readonly requestedTokenType: string | null
  readonly resources: readonly string[]
  readonly audiences: readonly string[]
  readonly scope: string | null
  /** As parsed from its JSON; null when it was left out. */
  readonly authorizationDetails: unknown
  readonly taskId: string | null
  /** Every value of the DPoP header. */
  readonly dpop: readonly string[]
}

const SUBJECT_TOKEN_TYPES = [ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, JWT_TYPE] as const

/** A request whose form is right. What its tokens are is still to be seen. */
export interface CheckedRequest {
  readonly subjectToken: string
  readonly subjectTokenType: (typeof SUBJECT_TOKEN_TYPES)[number]
  readonly asked: Asked
  readonly taskId: string | null
}

/**
 * TE-1 to TE-3, MT-1, RI-1: everything about the request that can be said without looking at a token.
 * @throws GRANT_TYPE_UNSUPPORTED, TOKEN_PARAMETER_MISSING, TOKEN_PARAMETER_UNEXPECTED, CLIENT_ID_MISMATCH,
 *   REQUESTED_TOKEN_TYPE_UNSUPPORTED, SUBJECT_TOKEN_TYPE_UNSUPPORTED, ACTOR_TOKEN_UNSUPPORTED, TARGET_*, INVALID_*
 */
export function checkRequest(request: ExchangeRequest, client: AgentIdentity): CheckedRequest {
  if (request.grantType !== TOKEN_EXCHANGE_GRANT) throw oauthError('GRANT_TYPE_UNSUPPORTED')
  if (given(request.clientId, 'client_id') !== client.spiffeId.toString()) throw oauthError('CLIENT_ID_MISMATCH')
  const subjectToken = given(request.subjectToken, 'subject_token')
  const subjectTokenType = knownType(given(request.subjectTokenType, 'subject_token_type'))
  refuseActor(request)
  const { requestedTokenType } = request
  if (requestedTokenType !== null && requestedTokenType !== ACCESS_TOKEN_TYPE) {
    throw oauthError('REQUESTED_TOKEN_TYPE_UNSUPPORTED')
  }
  return { subjectToken, subjectTokenType, asked: askedOf(request), taskId: request.taskId }
}

function given(value: string | null, parameter: string): string {
  if (value === null || value === '') throw oauthError('TOKEN_PARAMETER_MISSING', { details: { member: parameter } })
  return value
}

function knownType(type: string): CheckedRequest['subjectTokenType'] {
  const known = SUBJECT_TOKEN_TYPES.find((one) => one === type)
  if (known === undefined) throw oauthError('SUBJECT_TOKEN_TYPE_UNSUPPORTED')
  return known
}

/** TE-2 first: what is malformed is called so, even where the well-formed is not supported. */
function refuseActor(request: ExchangeRequest): void {
  const { actorToken, actorTokenType } = request
  if (actorToken === null && actorTokenType === null) return
  if (actorToken === null) {
    throw oauthError('TOKEN_PARAMETER_UNEXPECTED', { details: { member: 'actor_token_type' } })
  }
  given(actorTokenType, 'actor_token_type')
  throw oauthError('ACTOR_TOKEN_UNSUPPORTED')
}

function askedOf(request: ExchangeRequest): Asked {
  const targets = [...request.resources, ...request.audiences]
  const [target] = targets
  if (target === undefined) throw tasksError('TARGET_MISSING')
  if (targets.length > 1) throw tasksError('TARGET_MULTIPLE')
  const { authorizationDetails, scope } = request
  return {
    audience: parseResource(target),
    authority: authorizationDetails === null ? null : parseAuthority(authorizationDetails),
    scope: scope === null ? null : parseScope(scope),
  }
}
