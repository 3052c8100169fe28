import type { AdminFlows, Flows, Health, SsfFlows } from '#api/http/index.ts'
import { recordDenial, type AnonymousDenials } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { resumeAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { addAgent, listAgents, showAgent } from '#flows/admin/agents.ts'
import { askForAuthority, bringAuthority, bringCrl, forecastStep } from '#flows/admin/authorities.ts'
import { explainAgent } from '#flows/admin/explain-agent.ts'
import { listLeaves } from '#flows/admin/audit-log.ts'
import { listAuthorities, listCertificates, listInstances } from '#flows/admin/inventory.ts'
import { addJoinToken, deleteJoinToken, listJoinTokens } from '#flows/admin/join-tokens.ts'
import { addPrincipal, listPrincipals, removePrincipal, setOrchestration } from '#flows/admin/principals.ts'
import { addResource, listResources } from '#flows/admin/resources.ts'
import { whoami } from '#flows/admin/whoami.ts'
import { decideApproval } from '#flows/approvals/decide-approval.ts'
import { retireAgentApproved } from '#flows/approvals/retire-agent.ts'
import { revokeApproved } from '#flows/approvals/revoke.ts'
import { listApprovals, showApproval } from '#flows/approvals/show-approvals.ts'
import { stepAuthorityApproved } from '#flows/approvals/step-authority.ts'
import { authorizeRequest } from '#flows/authorize/authorize-request.ts'
import { ProxiedResources } from '#flows/authorize/proxied-resource.ts'
import { authenticate, authenticateForRenewal } from '#flows/authenticate.ts'
import { showCrl } from '#flows/crl/show-crl.ts'
import { completeTask } from '#flows/complete-task.ts'
import { finishEnrollment, startEnrollment } from '#flows/enroll-session.ts'
import type { FeedHub } from '#flows/feed/feed-hub.ts'
import { openFeed } from '#flows/feed/open-feed.ts'
import { exchangeToken } from '#flows/exchange-token.ts'
import { introspectToken, introspectTokenAsJwt } from '#flows/introspect-token.ts'
import { issueJwtSvid } from '#flows/issue-jwt-svid.ts'
import { listTasks } from '#flows/list-tasks.ts'
import type { OcspResponder } from '#flows/ocsp/responder.ts'
import { openTask } from '#flows/open-task.ts'
import { renew } from '#flows/renew.ts'
import { renewalInfo } from '#flows/renewal-info.ts'
import { resumeTask } from '#flows/resume-task.ts'
import { revokeTask } from '#flows/revoke-task.ts'
import { revokeToken } from '#flows/revoke-token.ts'
import { previewRevocation } from '#flows/revoke/revoke.ts'
import { showRotation } from '#flows/rotation/show-rotation.ts'
import { showTask } from '#flows/show-task.ts'
import { pollStream } from '#flows/ssf/poll.ts'
import { findStream, streamsOf } from '#flows/ssf/receiver.ts'
import { setStreamStatus, verifyStream } from '#flows/ssf/stream-status.ts'
import { changeStream, createStream, deleteStream } from '#flows/ssf/streams.ts'
import { StatusLists } from '#flows/status-list/status-lists.ts'
import { suspendTask } from '#flows/suspend-task.ts'
import type { ServerPorts } from './ports.ts'

/** What the server keeps beside its ports. */
export interface Keepers {
  readonly denials: AnonymousDenials
  readonly health: Health
  readonly ocsp: OcspResponder
  readonly feed: FeedHub
}

type Story<Ports, Request, Answer> = (ports: Ports, caller: Caller, request: Request) => Promise<Answer>

/** Gives a story its ports. */
type Bind = <Request, Answer>(
  story: Story<ServerPorts, Request, Answer>,
) => (caller: Caller, request: Request) => Promise<Answer>

/** The stories with their ports bound, as the API takes them. */
export function bindFlows(ports: ServerPorts, { denials, health, ocsp, feed }: Keepers): Flows {
  const statusLists = new StatusLists(ports)
  const proxied = new ProxiedResources(ports)
  const bind: Bind = (story) => (caller, request) => story(ports, caller, request)
  return {
    authorities: ports.authorities,
    statusList: (list) => statusLists.get(list),
    publicUrl: ports.profile.publicUrl,
    health,
    authenticate: (peer) => authenticate(ports, peer),
    authenticateForRenewal: (peer) => authenticateForRenewal(ports, peer),
    recordRefusal: (refusal) => recordRefusal(ports, denials, refusal),
    noteAdoption: (caller, sequence) => {
      ports.adoption.note(caller, sequence)
    },
    startEnrollment: bind(startEnrollment),
    finishEnrollment: bind(finishEnrollment),
    renew: bind(renew),
    renewalInfo: (asked) => renewalInfo(ports, asked),
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
    ...ssfFlows(ports, bind),
    showCrl: (request) => showCrl({ shelf: ports.crlShelf, clock: ports.clock }, request),
    answerOcsp: (request) => ocsp.answer(request),
    openFeed: (caller, request) => openFeed({ ...ports, feed }, caller, request),
    authorizeRequest: (caller, request) => authorizeRequest({ ...ports, proxied, unproven: denials }, caller, request),
    ...adminFlows(ports, bind),
  }
}

function ssfFlows(ports: ServerPorts, bind: Bind): SsfFlows {
  const sleep = (length: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, length).unref())
  return {
    createStream: bind(createStream),
    listStreams: (caller) => streamsOf(ports, caller),
    showStream: bind(findStream),
    changeStream: bind(changeStream),
    deleteStream: bind(deleteStream),
    setStreamStatus: bind(setStreamStatus),
    verifyStream: bind(verifyStream),
    pollStream: (caller, request) => pollStream({ ...ports, sleep }, caller, request),
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
    retireAgent: bind(retireAgentApproved),
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
    bringCrl: bind(bringCrl),
    stepAuthority: bind(stepAuthorityApproved),
    forecastStep: bind(forecastStep),
    showRotation: (caller) => showRotation(ports, caller),
    revoke: bind(revokeApproved),
    previewRevocation: bind(previewRevocation),
    listApprovals: bind(listApprovals),
    showApproval: bind(showApproval),
    decideApproval: bind(decideApproval),
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
