import type { AgentRequest } from '#registry/index.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import {
  agentExplanation,
  agentList,
  agentRetired,
  agentStateRequest,
  agentView as agentSchema,
  createAgentRequest,
  createResourceRequest,
  explainAgentRequest,
  listQuery,
  noBody,
  noQuery,
  resourceList,
  retireAgentRequest,
  resourceView as resourceSchema,
  type CreateAgentRequest,
} from '#wire/index.ts'
import { route } from '../build-route.ts'
import type { Route } from '../route.ts'
import { OPERATORS, READERS, reading, writing } from './access.ts'
import { askedAnswer } from './approval-views.ts'
import { agentView, bodyOf, explanationView, pageOf, resourceView } from './views.ts'

function lengthOf(seconds: number | undefined): Milliseconds | undefined {
  return seconds === undefined ? undefined : seconds * SECOND
}

function agentRequest(body: CreateAgentRequest): AgentRequest {
  return {
    name: body.name,
    owner: body.owner,
    path: body.path,
    identity: body.identity,
    selectors: body.selectors,
    dnsNames: body.dns_names,
    permissions: body.permissions,
    keyClasses: body.key_classes,
    declaredKeyClass: body.declared_key_class,
    x509Lifetime: lengthOf(body.x509_lifetime),
    jwtLifetime: lengthOf(body.jwt_lifetime),
    tokenLifetime: lengthOf(body.token_lifetime),
    maxAttestationAge: lengthOf(body.max_attestation_age),
    renewGrace: lengthOf(body.renew_grace),
    maxTaskLifetime: lengthOf(body.max_task_lifetime),
    maxDepth: body.max_depth,
  }
}

function step(name: string, flow: 'suspendAgent' | 'resumeAgent', summary: string): Route {
  return route({
    ...writing,
    id: flow,
    summary,
    path: `/v1/agents/{name}/${name}`,
    callers: OPERATORS,
    takes: 'json-or-nothing',
    status: 200,
    schema: { body: agentStateRequest, query: noQuery, answer: agentSchema },
    flow: (flows, { caller, path, body }) => flows[flow](caller, { name: path['name'] ?? '', version: body?.version }),
    render: bodyOf(agentView),
  })
}

export const AGENT_ROUTES: readonly Route[] = [
  route({
    ...writing,
    id: 'addAgent',
    summary: 'Register an agent',
    path: '/v1/agents',
    callers: OPERATORS,
    schema: { body: createAgentRequest, query: noQuery, answer: agentSchema },
    flow: (flows, { caller, body }) => flows.addAgent(caller, agentRequest(body)),
    render: bodyOf(agentView),
  }),
  route({
    ...reading,
    id: 'listAgents',
    summary: 'List agents',
    path: '/v1/agents',
    callers: READERS,
    schema: { body: noBody, query: listQuery, answer: agentList },
    flow: (flows, { caller, query }) => flows.listAgents(caller, query),
    render: pageOf(agentView),
  }),
  route({
    ...reading,
    id: 'showAgent',
    summary: 'Show one agent',
    path: '/v1/agents/{name}',
    callers: READERS,
    schema: { body: noBody, query: noQuery, answer: agentSchema },
    flow: (flows, { caller, path }) => flows.showAgent(caller, path['name'] ?? ''),
    render: bodyOf(agentView),
  }),
  route({
    ...writing,
    id: 'explainAgent',
    summary: 'Say which agent evidence is for, or what the nearest ones miss',
    path: '/v1/agents/explain',
    callers: READERS,
    status: 200,
    schema: { body: explainAgentRequest, query: noQuery, answer: agentExplanation },
    flow: (flows, { caller, body }) => flows.explainAgent(caller, body),
    render: bodyOf(explanationView),
  }),
  step('suspend', 'suspendAgent', 'Stop an agent; its tokens die for good'),
  step('resume', 'resumeAgent', 'Let a suspended agent go on'),
  route({
    ...writing,
    id: 'retireAgent',
    summary: 'End an agent for ever; 202 when others have to agree first',
    path: '/v1/agents/{name}/retire',
    callers: OPERATORS,
    takes: 'json-or-nothing',
    status: 200,
    schema: { body: retireAgentRequest, query: noQuery, answer: agentRetired },
    flow: (flows, { caller, path, body }) =>
      flows.retireAgent(caller, {
        name: path['name'] ?? '',
        version: body?.version,
        approval: body?.approval,
        breakGlass: body?.break_glass,
      }),
    render: (gated) => (gated.kind === 'asked' ? askedAnswer(gated) : bodyOf(agentView)(gated.answer)),
  }),
  route({
    ...writing,
    id: 'addResource',
    summary: 'Register a resource that tokens can be for',
    path: '/v1/resources',
    callers: OPERATORS,
    schema: { body: createResourceRequest, query: noQuery, answer: resourceSchema },
    flow: (flows, { caller, body }) =>
      flows.addResource(caller, {
        audience: body.audience,
        owner: body.owner,
        spiffeIds: body.spiffe_ids,
        actions: body.actions,
        proxies: body.proxies,
        url: body.url,
      }),
    render: bodyOf(resourceView),
  }),
  route({
    ...reading,
    id: 'listResources',
    summary: 'List resources',
    path: '/v1/resources',
    callers: READERS,
    schema: { body: noBody, query: listQuery, answer: resourceList },
    flow: (flows, { caller, query }) => flows.listResources(caller, query),
    render: pageOf(resourceView),
  }),
]
