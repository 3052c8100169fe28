import {
  createJoinTokenRequest,
  createPrincipalRequest,
  joinTokenCreated as createdSchema,
  joinTokenList,
  listQuery,
  noBody,
  noQuery,
  orchestrationRequest,
  principalList,
  principalView as principalSchema,
  whoamiAnswer,
  type WhoamiAnswer,
} from '#wire/index.ts'
import { SECOND } from '#kernel/instant.ts'
import { route } from '../build-route.ts'
import type { Route } from '../route.ts'
import { deleting, OPERATORS, READERS, reading, writing } from './access.ts'
import { bodyOf, joinTokenCreated, joinTokenView, pageOf, principalView } from './views.ts'

/** Who may come in, and how: join tokens, principals, and who the caller is. */
export const PEOPLE_ROUTES: readonly Route[] = [
  route({
    ...writing,
    id: 'addJoinToken',
    summary: 'Make a join token; it is shown this once',
    path: '/v1/join-tokens',
    callers: OPERATORS,
    schema: { body: createJoinTokenRequest, query: noQuery, answer: createdSchema },
    flow: (flows, { caller, body }) => {
      const lifetime = body.expires_in === undefined ? undefined : body.expires_in * SECOND
      return flows.addJoinToken(caller, { agent: body.agent, lifetime })
    },
    render: bodyOf(joinTokenCreated),
  }),
  route({
    ...reading,
    id: 'listJoinTokens',
    summary: 'List join tokens, without the tokens themselves',
    path: '/v1/join-tokens',
    callers: READERS,
    schema: { body: noBody, query: listQuery, answer: joinTokenList },
    flow: (flows, { caller, query }) => flows.listJoinTokens(caller, query),
    render: pageOf(joinTokenView),
  }),
  route({
    ...deleting,
    id: 'deleteJoinToken',
    summary: 'Delete a join token that has not been used',
    path: '/v1/join-tokens/{id}',
    callers: OPERATORS,
    status: 204,
    schema: { body: noBody, query: noQuery, answer: null },
    flow: (flows, { caller, path }) => flows.deleteJoinToken(caller, path['id'] ?? ''),
    render: () => ({ body: null }),
  }),
  route({
    ...writing,
    id: 'addPrincipal',
    summary: 'Let somebody administer',
    path: '/v1/principals',
    callers: ['admin'],
    schema: { body: createPrincipalRequest, query: noQuery, answer: principalSchema },
    flow: (flows, { caller, body }) => flows.addPrincipal(caller, body),
    render: bodyOf(principalView),
  }),
  route({
    ...writing,
    id: 'setOrchestration',
    summary: 'Set the subjects and agents that an orchestrator may open tasks for',
    path: '/v1/principals/{id}/orchestration',
    callers: ['admin'],
    status: 200,
    schema: { body: orchestrationRequest, query: noQuery, answer: principalSchema },
    flow: (flows, { caller, body, path }) => flows.setOrchestration(caller, { id: path['id'] ?? '', ...body }),
    render: bodyOf(principalView),
  }),
  route({
    ...reading,
    id: 'listPrincipals',
    summary: 'List principals',
    path: '/v1/principals',
    callers: ['auditor', 'admin'],
    schema: { body: noBody, query: listQuery, answer: principalList },
    flow: (flows, { caller, query }) => flows.listPrincipals(caller, query),
    render: pageOf(principalView),
  }),
  route({
    ...deleting,
    id: 'removePrincipal',
    summary: 'Let somebody administer no longer',
    path: '/v1/principals/{id}',
    callers: ['admin'],
    status: 200,
    schema: { body: noBody, query: noQuery, answer: principalSchema },
    flow: (flows, { caller, path }) => flows.removePrincipal(caller, path['id'] ?? ''),
    render: bodyOf(principalView),
  }),
  route({
    ...reading,
    id: 'whoami',
    summary: 'How the server sees the caller',
    path: '/v1/whoami',
    callers: ['anyone'],
    schema: { body: noBody, query: noQuery, answer: whoamiAnswer },
    flow: (flows, { caller }) => {
      const trustDomain = flows.authorities.current().trustDomain.name
      return Promise.resolve({ ...flows.whoami(caller), trustDomain })
    },
    render: ({ kind, name, agent, instance, roles, trustDomain }): { readonly body: WhoamiAnswer } => ({
      body: { kind, name, agent, instance, roles: [...roles], trust_domain: trustDomain },
    }),
  }),
]
