import type { ExchangeRequest } from '#flows/exchange-request.ts'
import type { ExchangeAnswer } from '#flows/exchange-token.ts'
import type { Introspection } from '#flows/introspect-token.ts'
import {
  introspectionAnswer,
  noQuery,
  parseAuthorizationDetails,
  tokenAnswer,
  tokenReference,
  tokenRequest,
  type TokenAnswer,
  type TokenReference,
  type TokenRequest,
} from '#wire/index.ts'
import { route, SMALL_BODY } from '../build-route.ts'
import { CLIENTS } from '../callers.ts'
import { httpError } from '../errors.ts'
import type { Route } from '../route.ts'
import { authorityOf } from '../tasks/routes.ts'

const base = {
  surface: 'api',
  method: 'POST',
  takes: 'form',
  limits: SMALL_BODY,
  errors: 'oauth',
  status: 200,
} as const

/** SP-1, docs/decisions/0013. @throws CLIENT_ASSERTION_UNSUPPORTED */
function withoutAssertion<Form extends TokenReference | TokenRequest>(form: Form): Form {
  if (form.client_assertion === undefined && form.client_assertion_type === undefined) return form
  throw httpError('CLIENT_ASSERTION_UNSUPPORTED')
}

/** What a parameter says, null where it was left out. */
function given<Value>(value: Value | undefined): Value | null {
  return value ?? null
}

function exchangeRequest(form: TokenRequest, dpop: readonly string[]): ExchangeRequest {
  const details = form.authorization_details
  return {
    grantType: form.grant_type,
    clientId: given(form.client_id),
    subjectToken: given(form.subject_token),
    subjectTokenType: given(form.subject_token_type),
    actorToken: given(form.actor_token),
    actorTokenType: given(form.actor_token_type),
    requestedTokenType: given(form.requested_token_type),
    resources: form.resource ?? [],
    audiences: form.audience ?? [],
    scope: given(form.scope),
    authorizationDetails: details === undefined ? null : parseAuthorizationDetails(details),
    taskId: given(form.task_id),
    dpop,
  }
}

function tokenBody(answer: ExchangeAnswer): TokenAnswer {
  return {
    access_token: answer.accessToken,
    issued_token_type: answer.issuedTokenType,
    token_type: answer.tokenType,
    expires_in: answer.expiresIn,
    scope: answer.scope,
    authorization_details: authorityOf(answer.authorizationDetails),
    task_id: answer.task,
    txn: answer.transaction,
  }
}

/** RFC 9449 section 8.2: the nonce for the next proof comes with the answer. */
function nonceHeader({ dpopNonce }: ExchangeAnswer): Readonly<Record<string, string>> {
  return dpopNonce === null ? {} : { 'dpop-nonce': dpopNonce }
}

const NO_CACHE = { pragma: 'no-cache' }
const INTROSPECTION_JWT = 'application/token-introspection+jwt'
const AS_JWT = { ...NO_CACHE, 'content-type': INTROSPECTION_JWT }

/** RFC 9701 section 4: a client that takes the signed answer names it; wildcards mean the plain one. */
function wantsJwt(accept: string): boolean {
  return accept.split(',').some((range) => range.split(';')[0]?.trim().toLowerCase() === INTROSPECTION_JWT)
}

export const OAUTH_ROUTES: readonly Route[] = [
  route({
    ...base,
    id: 'exchangeToken',
    summary: 'Token exchange (RFC 8693): start or narrow a task token',
    path: '/oauth2/token',
    callers: ['agent'],
    schema: { body: tokenRequest, query: noQuery, answer: tokenAnswer },
    hot: true,
    flow: (flows, { caller, body, dpop }) => flows.exchangeToken(caller, exchangeRequest(withoutAssertion(body), dpop)),
    render: (answer) => ({ body: tokenBody(answer), headers: { ...NO_CACHE, ...nonceHeader(answer) } }),
  }),
  route({
    ...base,
    id: 'introspectToken',
    summary: 'Token introspection (RFC 7662) for the audiences of the caller',
    path: '/oauth2/introspect',
    callers: ['agent'],
    schema: { body: tokenReference, query: noQuery, answer: introspectionAnswer },
    hot: true,
    flow: (flows, { caller, body, accept }): Promise<Introspection | string> => {
      const { token } = withoutAssertion(body)
      return wantsJwt(accept) ? flows.introspectTokenAsJwt(caller, { token }) : flows.introspectToken(caller, { token })
    },
    render: (answer) => ({ body: answer, headers: typeof answer === 'string' ? AS_JWT : NO_CACHE }),
  }),
  route({
    ...base,
    id: 'revokeToken',
    summary: 'Token revocation (RFC 7009), with everything derived from the token',
    path: '/oauth2/revoke',
    callers: CLIENTS,
    schema: { body: tokenReference, query: noQuery, answer: null },
    hot: false,
    flow: (flows, { caller, body }) => flows.revokeToken(caller, { token: withoutAssertion(body).token }),
    render: () => ({ body: null }),
  }),
]
