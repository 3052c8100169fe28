import type { Caller } from '#authentication/index.ts'
import type { TaskAuthorization, TaskToken, TaskTokenClaims } from '#jwt/index.ts'
import { isWritError } from '#kernel/errors.ts'
import type { ResourceRecord } from '#registry/index.ts'
import { faultOf } from '#revocation/index.ts'
import type { StoryPorts } from '../ports.ts'
import { recordingDenials } from '../recorded-story.ts'
import { readTogether } from '../read-together.ts'
import { readGrounds } from '../token-grounds.ts'
import type { AskedRequest } from './asked-request.ts'
import { authzError } from './errors.ts'
import { proveHolder, type ProvePorts } from './prove-holder.ts'
import type { ProxiedResources } from './proxied-resource.ts'

export interface AuthorizePorts extends Pick<StoryPorts, 'journal'>, ProvePorts {
  readonly proxied: ProxiedResources
  /** Counts refusals of those of whom nothing is proved; a leaf for each would let anyone fill the log. */
  readonly unproven: { count(code: string): void }
}

/** Who sends a request that may go on to its service, and under which task. */
export interface AuthorizedRequest {
  /** Who does the work. */
  readonly spiffeId: string
  readonly subject: string
  readonly task: string
  readonly scope: readonly string[]
}

/**
 * Answers a proxy whether a request may go on to the service behind it, which cannot look itself. Letting one in is no
 * decision that the log holds, as introspecting is none; refusing somebody who is known is.
 * @throws AUTHZ_…, AUTHENTICATION_REQUIRED, CALLER_NOT_AGENT, CLIENT_CERTIFICATE_EXPIRED
 */
export async function authorizeRequest(
  ports: AuthorizePorts,
  proxy: Caller,
  request: AskedRequest,
): Promise<AuthorizedRequest> {
  // 1. A proxy of exactly one resource: the audience is from there, whatever the request says.
  const attempt = { type: 'request.authorized', actor: proxy.name, object: 'resource:unknown' }
  const resource = await recordingDenials(ports, attempt, ({ profile }) =>
    ports.proxied.behind(proxy, profile.trustDomain),
  )
  // 2. A token for it, shown by whoever holds its key.
  const token = await counting(ports, () => proveHolder(ports, request, resource))
  const { actor, claims } = token
  const { id: task } = claims.task
  const commitments = { task, token: claims.id, proxy: proxy.name }
  const known = { type: 'request.authorized', actor, object: `resource:${resource.id}`, commitments }
  await recordingDenials(ports, known, async (watched) => {
    // 3. It lives, with everything that it rests on.
    await requireAlive(watched, token)
    // 4. Its task allows what the request is about to do.
    requireActions(claims, request, resource)
  })
  return { spiffeId: actor, subject: claims.subject, task, scope: claims.scope }
}

async function counting<Answer>({ unproven }: AuthorizePorts, attempt: () => Promise<Answer>): Promise<Answer> {
  try {
    return await attempt()
  } catch (error) {
    if (isWritError(error) && error.code.startsWith('AUTHZ_')) unproven.count(error.code)
    throw error
  }
}

/** As introspection has it (IN-3). */
async function requireAlive(ports: AuthorizePorts, { claims }: TaskToken): Promise<void> {
  const { clock, profile } = ports
  const reader = readTogether(ports.reader)
  const record = await reader.find('TaskToken', { jti: claims.id })
  if (record === null) throw authzError('AUTHZ_TOKEN_INACTIVE')
  const fault = faultOf(await readGrounds(reader, record, profile.trustDomain.name), clock.now())
  if (fault !== null) throw authzError('AUTHZ_TOKEN_INACTIVE', { details: { fault } })
}

/**
 * Every action on every object by one entry of the authority. An entry with identifiers allows those only, so a proxy
 * that does not say which object it is about gets by entries without only; constraints it cannot enforce at all.
 */
function requireActions(claims: TaskTokenClaims, request: AskedRequest, resource: ResourceRecord): void {
  const { actions, identifiers } = request
  if (actions.length === 0) return
  if (claims.authority.some(({ constraints = {} }) => Object.keys(constraints).length > 0)) {
    throw authzError('AUTHZ_CONSTRAINT_UNKNOWN')
  }
  const objects = identifiers.length === 0 ? [undefined] : identifiers
  const entries = claims.authority.filter(({ resource: audience }) => audience === resource.audience)
  const isAllowed = actions.every((action) =>
    objects.every((object) => entries.some((entry) => covers(entry, action, object))),
  )
  if (!isAllowed) throw authzError('AUTHZ_ACTION_NOT_ALLOWED', { details: { scope: actions.join(' ') } })
}

function covers(entry: TaskAuthorization, action: string, object: string | undefined): boolean {
  if (!entry.actions.includes(action)) return false
  return entry.identifiers === undefined || (object !== undefined && entry.identifiers.includes(object))
}
