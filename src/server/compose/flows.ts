import type { AdminFlows, Flows, Health } from '#api/http/index.ts'
import { recordDenial, type AnonymousDenials } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { resumeAgent, retireAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { addAgent, listAgents, showAgent } from '#flows/admin/agents.ts'
import { askForAuthority, bringAuthority, forecastStep, stepAuthority } from '#flows/admin/authorities.ts'
import { explainAgent } from '#flows/admin/explain-agent.ts'
import { listLeaves } from '#flows/admin/audit-log.ts'
import { listAuthorities, listCertificates, listInstances } from '#flows/admin/inventory.ts'
import { addJoinToken, deleteJoinToken, listJoinTokens } from '#flows/admin/join-tokens.ts'
import { addPrincipal, listPrincipals, removePrincipal, setOrchestration } from '#flows/admin/principals.ts'
import { addResource, listResources } from '#flows/admin/resources.ts'
import { whoami } from '#flows/admin/whoami.ts'
import { authenticate, authenticateForRenewal } from '#flows/authenticate.ts'
import { completeTask } from '#flows/complete-task.ts'
import { finishEnrollment, startEnrollment } from '#flows/enroll-session.ts'
import { exchangeToken } from '#flows/exchange-token.ts'
import { introspectToken, introspectTokenAsJwt } from '#flows/introspect-token.ts'
import { issueJwtSvid } from '#flows/issue-jwt-svid.ts'
import { listTasks } from '#flows/list-tasks.ts'
import { openTask } from '#flows/open-task.ts'
import { renew } from '#flows/renew.ts'
import { resumeTask } from '#flows/resume-task.ts'
import { revokeTask } from '#flows/revoke-task.ts'
import { revokeToken } from '#flows/revoke-token.ts'
import { previewRevocation, revoke } from '#flows/revoke/revoke.ts'
import { showRotation } from '#flows/rotation/show-rotation.ts'
import { showTask } from '#flows/show-task.ts'
import { suspendTask } from '#flows/suspend-task.ts'
import type { ServerPorts } from './ports.ts'

type Story<Ports, Request, Answer> = (ports: Ports, caller: Caller, request: Request) => Promise<Answer>

/** Gives a story its ports. */
type Bind = <Request, Answer>(
  story: Story<ServerPorts, Request, Answer>,
) => (caller: Caller, request: Request) => Promise<Answer>

/** The stories with their ports bound, as the API takes them. */
export function bindFlows(ports: ServerPorts, denials: AnonymousDenials, health: Health): Flows {
  const bind: Bind = (story) => (caller, request) => story(ports, caller, request)
  return {
    authorities: ports.authorities,
    publicUrl: ports.profile.publicUrl,
    health,
    authenticate: (peer) => authenticate(ports, peer),
    authenticateForRenewal: (peer) => authenticateForRenewal(ports, peer),
    recordRefusal: (refusal) => recordRefusal(ports, denials, refusal),
    startEnrollment: bind(startEnrollment),
    finishEnrollment: bind(finishEnrollment),
    renew: bind(renew),
    issueJwtSvid: bind(issueJwtSvid),
    openTask: bind(openTask),
    listTasks: bind(listTasks),
    showTask: bind(showTask),
    completeTask: bind(completeTask),
    revokeTask: bind(revokeTask),
    suspendTask: bind(suspendTask),
    resumeTask: bind(resumeTask),
    exchangeToken: bind(exchangeToken),
    introspectToken: bind(introspectToken),
    introspectTokenAsJwt: bind(introspectTokenAsJwt),
    revokeToken: bind(revokeToken),
    ...adminFlows(ports, bind),
  }
}

function adminFlows(ports: ServerPorts, bind: Bind): AdminFlows {
  return {
    addAgent: bind(addAgent),
    listAgents: bind(listAgents),
    showAgent: bind(showAgent),
    explainAgent: bind(explainAgent),
    suspendAgent: bind(suspendAgent),
    resumeAgent: bind(resumeAgent),
    retireAgent: bind(retireAgent),
    addResource: bind(addResource),
    listResources: bind(listResources),
    addJoinToken: bind(addJoinToken),
    listJoinTokens: bind(listJoinTokens),
    deleteJoinToken: bind(deleteJoinToken),
    addPrincipal: bind(addPrincipal),
    setOrchestration: bind(setOrchestration),
    listPrincipals: bind(listPrincipals),
    removePrincipal: bind(removePrincipal),
    listInstances: bind(listInstances),
    listCertificates: bind(listCertificates),
    listAuthorities: bind(listAuthorities),
    askForAuthority: bind(askForAuthority),
    bringAuthority: bind(bringAuthority),
    stepAuthority: bind(stepAuthority),
    forecastStep: bind(forecastStep),
    showRotation: (caller) => showRotation(ports, caller),
    revoke: bind(revoke),
    previewRevocation: bind(previewRevocation),
    listLeaves: bind(listLeaves),
    whoami,
  }
}

async function recordRefusal(
  { journal }: ServerPorts,
  denials: AnonymousDenials,
  { caller, operation, error }: Parameters<Flows['recordRefusal']>[0],
): Promise<void> {
  if (caller === null || caller.identity.kind === 'anonymous') denials.count(error.code)
  else await recordDenial(journal, denialOf(caller, operation, error.code))
}

function denialOf(caller: Caller, operation: string, code: string): Parameters<typeof recordDenial>[1] {
  return { type: 'request.denied', actor: caller.name, object: `operation:${operation}`, code }
}
