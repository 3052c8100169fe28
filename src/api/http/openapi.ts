import * as wire from '#wire/index.ts'
import { jsonSchemasOf, noBody, noQuery, type WireSchema } from '#wire/index.ts'
import { NO_BODY, route } from './build-route.ts'
import type { Route } from './route.ts'

/** The names under which schemas appear, in upper camel case as OpenAPI has it. */
const COMPONENTS: Readonly<Record<string, WireSchema>> = {
  EnrollRequest: wire.enrollRequest,
  EnrollOutcome: wire.enrollOutcome,
  EnrollChallenge: wire.enrollChallenge,
  EnrollAnswerRequest: wire.enrollAnswerRequest,
  RenewRequest: wire.renewRequest,
  SvidAnswer: wire.svidAnswer,
  JwtSvidRequest: wire.jwtSvidRequest,
  RenewalInfo: wire.renewalInfo,
  JwtSvidAnswer: wire.jwtSvidAnswer,
  AuthorizationDetail: wire.authorizationDetail,
  OpenTaskRequest: wire.openTaskRequest,
  Task: wire.taskView,
  TaskList: wire.taskList,
  TaskStep: wire.taskStepRequest,
  TokenRequest: wire.tokenRequest,
  TokenAnswer: wire.tokenAnswer,
  TokenReference: wire.tokenReference,
  IntrospectionAnswer: wire.introspectionAnswer,
  Actor: wire.act,
  AuthorizationServerMetadata: wire.authorizationServerMetadata,
  OpenidConfiguration: wire.openidConfiguration,
  JwkSet: wire.jwkSet,
  TrustBundle: wire.trustBundle,
  CreateAgentRequest: wire.createAgentRequest,
  AgentStateRequest: wire.agentStateRequest,
  RetireAgentRequest: wire.retireAgentRequest,
  AgentRetired: wire.agentRetired,
  ExplainAgentRequest: wire.explainAgentRequest,
  AgentExplanation: wire.agentExplanation,
  RevocationRequest: wire.revocationRequest,
  Revocation: wire.revocationAnswered,
  ApprovalDecision: wire.approvalDecisionRequest,
  Approval: wire.approvalView,
  ApprovalShown: wire.approvalShown,
  ApprovalList: wire.approvalList,
  Agent: wire.agentView,
  AgentList: wire.agentList,
  CreateResourceRequest: wire.createResourceRequest,
  Resource: wire.resourceView,
  ResourceList: wire.resourceList,
  CreateJoinTokenRequest: wire.createJoinTokenRequest,
  JoinTokenCreated: wire.joinTokenCreated,
  JoinTokenList: wire.joinTokenList,
  CreatePrincipalRequest: wire.createPrincipalRequest,
  OrchestrationRequest: wire.orchestrationRequest,
  Principal: wire.principalView,
  PrincipalList: wire.principalList,
  InstanceList: wire.instanceList,
  CertificateList: wire.certificateList,
  AuthorityList: wire.authorityList,
  Authority: wire.authorityView,
  AuthorityRequest: wire.requestAuthorityRequest,
  AuthorityRequested: wire.authorityRequested,
  AuthorityImport: wire.importAuthorityRequest,
  CrlImport: wire.importCrlRequest,
  CrlImported: wire.importedCrl,
  CrlStatus: wire.crlStatusView,
  AuthorityStep: wire.authorityStepRequest,
  AuthorityTaint: wire.authorityTaintRequest,
  AuthorityStepAnswer: wire.authorityStepAnswered,
  Gate: wire.gateView,
  Rotation: wire.rotationAnswer,
  LeafList: wire.leafList,
  WhoAmI: wire.whoamiAnswer,
  Problem: wire.problem,
  OauthError: wire.oauthError,
  ListQuery: wire.listQuery,
  AuthorizeQuery: wire.authorizeQuery,
  StatusListQuery: wire.statusListQuery,
  SsfConfiguration: wire.ssfConfiguration,
  CreateStreamRequest: wire.createStreamRequest,
  ChangeStreamRequest: wire.changeStreamRequest,
  StreamConfiguration: wire.streamConfiguration,
  StreamConfigurations: wire.streamConfigurations,
  StreamQuery: wire.streamQuery,
  RequiredStreamQuery: wire.requiredStreamQuery,
  StreamStatus: wire.streamStatus,
  VerifyStreamRequest: wire.verifyStreamRequest,
  PollRequest: wire.pollRequest,
  PollAnswer: wire.pollAnswer,
}

const NAMES = new Map<WireSchema, string>(Object.entries(COMPONENTS).map(([name, schema]) => [schema, name]))

/** A caller shows its certificate on the connection, or signs the request with the key of a WIT-SVID. */
const SECURITY_SCHEMES = {
  clientCertificate: { type: 'mutualTLS', description: 'An X.509-SVID of the trust domain.' },
  workloadIdentity: {
    type: 'apiKey',
    in: 'header',
    name: 'Workload-Identity-Token',
    description: 'A WIT-SVID of the trust domain.',
  },
  workloadProof: {
    type: 'apiKey',
    in: 'header',
    name: 'Workload-Proof-Token',
    description: 'A WIMSE Workload Proof Token for this request, by the key of the WIT-SVID.',
  },
} as const

/** OpenAPI 3.1 of all routes, from the same table that serves them. */
export function openapiOf(routes: readonly Route[]): object {
  const schemas = jsonSchemasOf(COMPONENTS)
  const paths: Record<string, Record<string, object>> = {}
  for (const one of routes) {
    const operations = (paths[one.path.replace('{+', '{')] ??= {})
    operations[one.method.toLowerCase()] = operationOf(one, schemas)
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Writ', version: '1', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
    components: {
      schemas,
      securitySchemes: SECURITY_SCHEMES,
    },
  }
}

/** Serves the description of `routes` and of itself. */
export function openapiRoute(routes: readonly Route[]): Route {
  const self: Route = route({
    surface: 'api',
    id: 'openapi',
    summary: 'This description',
    method: 'GET',
    path: '/openapi.json',
    callers: ['anyone'],
    takes: 'nothing',
    limits: NO_BODY,
    errors: 'problem',
    schema: { body: noBody, query: noQuery, answer: null },
    status: 200,
    hot: false,
    flow: () => Promise.resolve(document()),
    render: (body) => ({ body, headers: { 'cache-control': 'public, max-age=300' } }),
  })
  let made: object | null = null
  const document = (): object => (made ??= openapiOf([...routes, self]))
  return self
}

function operationOf(one: Route, schemas: Readonly<Record<string, object>>): object {
  const isOpen = one.callers.includes('anyone')
  return {
    operationId: one.id,
    summary: one.summary,
    ...(isOpen ? {} : { security: [{ clientCertificate: [] }, { workloadIdentity: [], workloadProof: [] }] }),
    'x-writ-callers': one.callers,
    'x-writ-listener': one.surface,
    ...parametersOf(one, schemas),
    ...bodyOf(one),
    responses: {
      [String(one.status)]: { description: 'Done', ...contentOf(one.schema.answer) },
      default: { description: 'Refused', ...errorContent(one) },
    },
  }
}

function parametersOf(one: Route, schemas: Readonly<Record<string, object>>): object {
  const inPath = [...one.path.matchAll(/\{\+?([a-z_]+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const query = schemas[NAMES.get(one.schema.query) ?? ''] as { properties?: Record<string, object> } | undefined
  const inQuery = Object.entries(query?.properties ?? {}).map(([name, schema]) => ({ name, in: 'query', schema }))
  const parameters = [...inPath, ...inQuery]
  return parameters.length === 0 ? {} : { parameters }
}

function bodyOf(one: Route): object {
  if (one.takes === 'nothing' || one.takes === 'ignored') return {}
  if (one.takes === 'ocsp') return { requestBody: { required: true, content: { 'application/ocsp-request': {} } } }
  const media = one.takes === 'form' ? 'application/x-www-form-urlencoded' : 'application/json'
  const required = one.takes !== 'json-or-nothing'
  return { requestBody: { required, content: { [media]: { schema: reference(one.schema.body) } } } }
}

function contentOf(schema: WireSchema | null): object {
  return schema === null ? {} : { content: { 'application/json': { schema: reference(schema) } } }
}

function errorContent(one: Route): object {
  const isOauth = one.errors !== 'problem'
  const media = isOauth ? 'application/json' : 'application/problem+json'
  return { content: { [media]: { schema: reference(isOauth ? wire.oauthError : wire.problem) } } }
}

/** A schema without a name would be an answer that nobody can look up. */
function reference(schema: WireSchema): object {
  const name = NAMES.get(schema)
  return name === undefined ? { $comment: 'unnamed' } : { $ref: `#/components/schemas/${name}` }
}
