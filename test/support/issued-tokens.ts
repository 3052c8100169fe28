import { addResource } from '#flows/admin/resources.ts'
import { authenticate, type AuthenticatePorts } from '#flows/authenticate.ts'
import { exchangeToken, type ExchangePorts } from '#flows/exchange-token.ts'
import type { ExchangeRequest } from '#flows/exchange-request.ts'
import type { InitializeAuthoritiesOptions } from '#flows/initialize-authorities.ts'
import { introspectTokenAsJwt } from '#flows/introspect-token.ts'
import { issueJwtSvid } from '#flows/issue-jwt-svid.ts'
import { openTask } from '#flows/open-task.ts'
import { ProofNonces } from '#flows/proof-nonces.ts'
import { StatusIndexes } from '#flows/status-indexes.ts'
import { encodeBundle } from '#spiffe/index.ts'
import { ACCESS_TOKEN_TYPE, JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { NO_USERS } from '../fakes/users.ts'
import { enrollNew, newAgent, newWorld, type World } from './enrollment.ts'

export const RECEIVER = 'https://mcp.billing.example.org'
export const US = 'https://id.example.org'

/** One token of every kind that we issue, made by the stories that issue them, and what is published to verify them. */
export interface IssuedTokens {
  readonly world: World
  readonly spiffeId: string
  readonly certificate: Uint8Array
  readonly task: string
  readonly jwtSvid: string
  readonly taskToken: string
  readonly narrowed: string
  /** RFC 9701. */
  readonly introspection: string
  /** The documents as they are answered. */
  readonly published: { readonly accessTokens: string; readonly jwtSvids: string; readonly bundle: string }
}

export async function issueTokens(options: InitializeAuthoritiesOptions): Promise<IssuedTokens> {
  const world = await newWorld({ options })
  const resource = {
    audience: RECEIVER,
    owner: 'billing team',
    spiffeIds: ['spiffe://example.org/agent/invoice-bot'],
    actions: ['invoices:read'],
  }
  await addResource(world.ports, world.admin, resource)
  await newAgent(world, { permissions: [{ audience: RECEIVER, actions: ['invoices:read'] }] })
  const { peer, answer } = await enrollNew(world)
  const ports: ExchangePorts & AuthenticatePorts = {
    ...world.ports,
    statusIndexes: new StatusIndexes(world.store, 8),
    users: NO_USERS,
    nonces: new ProofNonces({ reader: world.store, firsts: world.store, random: world.ports.random }),
  }
  const caller = await authenticate(ports, peer)
  const authority = [{ type: 'task', resource: RECEIVER, actions: ['invoices:read'] }] as const
  const limits = { expiresIn: null, deadline: null, maxDepth: null, maxDerivations: null }
  const wish = { authority, ...limits, user: null, orchestrated: null }
  const { id: task } = await openTask(ports, caller, wish)
  const exchange = async (change: Partial<ExchangeRequest>): Promise<string> => {
    const { accessToken } = await exchangeToken(ports, caller, { ...request(answer.svid.spiffeId), ...change })
    return accessToken
  }
  const { token: own } = await issueJwtSvid(ports, caller, { audience: [US] })
  const taskToken = await exchange({ subjectToken: own, subjectTokenType: JWT_TYPE, taskId: task })
  const narrowed = await exchange({ subjectToken: taskToken, subjectTokenType: ACCESS_TOKEN_TYPE })
  const { token: jwtSvid } = await issueJwtSvid(ports, caller, { audience: [RECEIVER] })
  const introspection = await introspectTokenAsJwt(ports, caller, { token: taskToken })
  const current = world.authorities.current()
  const published = {
    accessTokens: JSON.stringify(current.oauthJwks()),
    jwtSvids: JSON.stringify(current.jwks('jwt-svid')),
    bundle: encodeBundle(current.bundle()),
  }
  const { spiffeId, certificate } = answer.svid
  return { world, spiffeId, certificate, task, jwtSvid, taskToken, narrowed, introspection, published }
}

function request(clientId: string): ExchangeRequest {
  return {
    grantType: TOKEN_EXCHANGE_GRANT,
    clientId,
    subjectToken: null,
    subjectTokenType: null,
    actorToken: null,
    actorTokenType: null,
    requestedTokenType: null,
    resources: [RECEIVER],
    audiences: [],
    scope: null,
    authorizationDetails: null,
    taskId: null,
    dpop: [],
  }
}
