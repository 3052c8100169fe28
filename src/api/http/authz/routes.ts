import type { AskedRequest } from '#flows/authorize/asked-request.ts'
import type { AuthorizedRequest } from '#flows/authorize/authorize-request.ts'
import { authorizeQuery, ignoredQuery, noBody } from '#wire/index.ts'
import { NO_BODY, route } from '../build-route.ts'
import type { Method, RequestHead, Route } from '../route.ts'
import { actionsOf, describedByHeaders, describedByItself } from './forwarded.ts'

const PATH = '/v1/authz'

const base = {
  surface: 'api',
  callers: ['agent'],
  takes: 'nothing',
  limits: NO_BODY,
  errors: 'bearer',
  status: 200,
  hot: true,
} as const

/** For the proxy to hand on to the service, in place of what the client may have sent under these names. */
function render({ spiffeId, subject, task, scope }: AuthorizedRequest) {
  const headers = {
    'x-writ-spiffe-id': spiffeId,
    'x-writ-subject': subject,
    'x-writ-task': task,
    'x-writ-scope': scope.join(' '),
  }
  return { body: null, headers }
}

/** What the request itself brought, as every kind of proxy hands it on. */
function credentials(head: RequestHead): Pick<AskedRequest, 'authorization' | 'dpop'> {
  return { authorization: head.headers['authorization'] ?? [], dpop: head.headers['dpop'] ?? [] }
}

/** nginx `auth_request` and Traefik `forwardAuth`: the query is the proxy's own. */
function asked(method: 'GET' | 'POST'): Route {
  return route({
    ...base,
    id: method === 'GET' ? 'authorizeRequest' : 'authorizePostedRequest',
    summary: 'Whether a request may go on to the service behind the calling proxy (nginx, Traefik)',
    method,
    path: PATH,
    schema: { body: noBody, query: authorizeQuery, answer: null },
    flow: (flows, { caller, query, head, address }) =>
      flows.authorizeRequest(caller, {
        ...describedByHeaders(head),
        ...credentials(head),
        actions: [...(query.action ?? []), ...actionsOf(head)],
        identifiers: query.identifier ?? [],
        address,
      }),
    render,
  })
}

const IDS: Readonly<Record<Method, string>> = {
  GET: 'authorizeGet',
  POST: 'authorizePost',
  PUT: 'authorizePut',
  PATCH: 'authorizePatch',
  DELETE: 'authorizeDelete',
  OPTIONS: 'authorizeOptions',
}

/** Envoy `ext_authz` over HTTP: method, path and query are those of the request that is asked about. */
function mirrored(method: Method): Route {
  return route({
    ...base,
    id: IDS[method],
    summary: 'The same for proxies that repeat the request (Envoy)',
    method,
    path: `${PATH}/{+request}`,
    schema: { body: noBody, query: ignoredQuery, answer: null },
    flow: (flows, { caller, head, address }) =>
      flows.authorizeRequest(caller, {
        ...describedByItself(head, PATH),
        ...credentials(head),
        actions: actionsOf(head),
        identifiers: [],
        address,
      }),
    render,
  })
}

export const AUTHZ_ROUTES: readonly Route[] = [
  asked('GET'),
  asked('POST'),
  ...(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const).map(mirrored),
]
