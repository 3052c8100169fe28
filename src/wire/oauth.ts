import { z } from 'zod'
import { isWritError } from '#kernel/errors.ts'
import { parseJson } from '#kernel/json.ts'
import { wireError } from './errors.ts'
import { parseWith } from './parse.ts'
import { authorizationDetails, type AuthorizationDetailDocument } from './tasks.ts'
import { text, tokenText } from './values.ts'

export const TOKEN_EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'
export const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt'
export const ID_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:id_token'

const typeUri = text(256)
const targets = z.array(text(512)).max(8).optional()

/**
 * RFC 7521 section 4.2. Read in order to be refused: what a client says that it is must not be passed over because it has
 * said so in another way as well.
 */
const clientAssertion = { client_assertion: tokenText.optional(), client_assertion_type: typeUri.optional() }

/**
 * `POST /oauth2/token` as parsed from the form (RFC 8693 section 2.1). `authorization_details` is still text: see
 * `parseAuthorizationDetails`.
 */
export const tokenRequest = z.object({
  grant_type: text(128),
  client_id: text(2048).optional(),
  subject_token: tokenText.optional(),
  subject_token_type: typeUri.optional(),
  actor_token: tokenText.optional(),
  actor_token_type: typeUri.optional(),
  requested_token_type: typeUri.optional(),
  resource: targets,
  audience: targets,
  scope: text(4096).optional(),
  authorization_details: z.string().max(32_768).optional(),
  task_id: text(64).optional(),
  ...clientAssertion,
})
export type TokenRequest = z.output<typeof tokenRequest>

/** RFC 9396 section 5. @throws AUTHORIZATION_DETAILS_MALFORMED for anything but a list of entries of type `task` */
export function parseAuthorizationDetails(json: string): readonly AuthorizationDetailDocument[] {
  let value: unknown
  try {
    value = parseJson(json)
  } catch (error) {
    if (!isWritError(error)) throw error
    throw wireError('AUTHORIZATION_DETAILS_MALFORMED', { details: { problem: error.code } })
  }
  return parseWith(authorizationDetails, value, 'AUTHORIZATION_DETAILS_MALFORMED')
}

/** `POST /oauth2/introspect` (RFC 7662 section 2.1) and `POST /oauth2/revoke` (RFC 7009 section 2.1). */
export const tokenReference = z.object({
  token: tokenText,
  token_type_hint: text(128).optional(),
  client_id: text(2048).optional(),
  ...clientAssertion,
})
export type TokenReference = z.output<typeof tokenReference>

/** RFC 8693 section 2.2.1, with `task_id` and `txn` of ours. */
export const tokenAnswer = z.object({
  access_token: tokenText,
  issued_token_type: typeUri,
  token_type: z.enum(['Bearer', 'DPoP', 'N_A']),
  expires_in: z.int().min(0),
  scope: text(4096).optional(),
  authorization_details: authorizationDetails,
  task_id: text(64),
  txn: text(128),
})
export type TokenAnswer = z.output<typeof tokenAnswer>

export interface ActDocument {
  readonly sub: string
  readonly act?: ActDocument | undefined
}

export const act: z.ZodType<ActDocument> = z.lazy(() => z.looseObject({ sub: text(2048), act: act.optional() }))

/** RFC 7662 section 2.2. An inactive token is `{active: false}` and nothing else. */
export const introspectionAnswer = z.discriminatedUnion('active', [
  z.object({ active: z.literal(false) }),
  z.looseObject({
    active: z.literal(true),
    iss: text(2048),
    sub: text(2048),
    aud: z.union([text(512), z.array(text(512))]),
    client_id: text(2048),
    exp: z.int(),
    iat: z.int(),
    nbf: z.int().optional(),
    jti: text(128),
    txn: text(128).optional(),
    scope: text(4096).optional(),
    token_type: text(32).optional(),
    authorization_details: authorizationDetails.optional(),
    act: act.optional(),
    cnf: z.looseObject({ 'x5t#S256': text(64).optional(), jkt: text(64).optional() }).optional(),
    task: z.looseObject({ id: text(64), deadline: z.int() }).optional(),
  }),
])
export type IntrospectionAnswer = z.output<typeof introspectionAnswer>
