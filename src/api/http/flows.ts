import type { Caller, Peer, PrincipalRecord, PrincipalRequest } from '#authentication/index.ts'
import type { JoinTokenRecord } from '#attestation/index.ts'
import type { LogLeafRecord } from '#audit/index.ts'
import type { AuthorityRecord, AuthoritySource } from '#authority/index.ts'
import type {
  PreparableKind,
  RequestedAuthority,
  StepForecast,
  StepOutcome,
  StepRequest,
} from '#flows/admin/authorities.ts'
import type { AuthorityProgress } from '#flows/rotation/show-rotation.ts'
import type { AgentStateRequest } from '#flows/admin/agent-state.ts'
import type { AgentExplanation, ExplainRequest } from '#flows/admin/explain-agent.ts'
import type { LeafPageRequest } from '#flows/admin/audit-log.ts'
import type { JoinTokenRequest, NewJoinToken } from '#flows/admin/join-tokens.ts'
import type { OrchestrationRequest } from '#flows/admin/principals.ts'
import type { WhoAmI } from '#flows/admin/whoami.ts'
import type { DecisionRequest } from '#flows/approvals/decide-approval.ts'
import type { GatedRetirementRequest } from '#flows/approvals/retire-agent.ts'
import type { GatedRevocationRequest } from '#flows/approvals/revoke.ts'
import type { ShownApproval } from '#flows/approvals/show-approvals.ts'
import type { Gated, GatedStepRequest } from '#flows/approvals/step-authority.ts'
import type { AskedRequest } from '#flows/authorize/asked-request.ts'
import type { AuthorizedRequest } from '#flows/authorize/authorize-request.ts'
import type { ImportedCrl } from '#flows/crl/import-root-crl.ts'
import type { ShowCrlRequest, ShownCrl } from '#flows/crl/show-crl.ts'
import type { EnrollRequest } from '#flows/enroll.ts'
import type { EnrollAnswer, EnrollChallenge } from '#flows/enroll-session.ts'
import type { ExchangeAnswer } from '#flows/exchange-token.ts'
import type { FeedRequest } from '#flows/feed/open-feed.ts'
import type { ExchangeRequest } from '#flows/exchange-request.ts'
import type { Introspection } from '#flows/introspect-token.ts'
import type { IssuedJwtSvid, JwtSvidRequest } from '#flows/issue-jwt-svid.ts'
import type { OcspReply } from '#flows/ocsp/responder.ts'
import type { ListTasksRequest, TaskPage } from '#flows/list-tasks.ts'
import type { OpenTaskRequest } from '#flows/open-task.ts'
import type { Page, PageRequest } from '#flows/pages.ts'
import type { RenewRequest } from '#flows/renew.ts'
import type { RenewalAdvice, RenewalInfoRequest } from '#flows/renewal-info.ts'
import type { Revocation } from '#flows/revoke/revoke.ts'
import type { RevocationRequest } from '#flows/revoke/target.ts'
import type { PollAnswer, PollRequest } from '#flows/ssf/poll.ts'
import type { StatusRequest } from '#flows/ssf/stream-status.ts'
import type { StreamChange, StreamRequest } from '#flows/ssf/streams.ts'
import type { PublishedStatusList } from '#flows/status-list/status-lists.ts'
import type { SvidAnswer } from '#flows/svid-answer.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { WritError } from '#kernel/errors.ts'
import type { ApprovalRecord, CurrentApproval } from '#policy/index.ts'
import type { AgentRecord, AgentRequest, InstanceRecord, ResourceRecord, ResourceRequest } from '#registry/index.ts'
import type { SsfStreamRecord } from '#revocation/index.ts'
import type { TaskView } from '#tasks/index.ts'

/** A refusal at the door, before any story began. `caller` is null when nobody was authenticated. */
export interface Refusal {
  readonly caller: Caller | null
  readonly operation: string
  readonly error: WritError
}

/** A story with its ports bound. */
type Story<Request, Answer> = (caller: Caller, request: Request) => Promise<Answer>

/** What the API needs to tell callers apart. */
export interface CallerFlows {
  readonly authenticate: (peer: Peer) => Promise<Caller>
  readonly authenticateForRenewal: (peer: Peer) => Promise<Caller>
  /** Writes the denial down: a leaf of its own for a known caller, a count for an unknown one. */
  readonly recordRefusal: (refusal: Refusal) => Promise<void>
  /** Remembers which bundle a caller said that it holds, and returns at once. */
  readonly noteAdoption: (caller: Caller, sequence: number | null) => void
}

export interface EnrollmentFlows {
  readonly startEnrollment: Story<EnrollRequest, SvidAnswer | EnrollChallenge>
  readonly finishEnrollment: Story<EnrollAnswer, SvidAnswer>
  readonly renew: Story<RenewRequest, SvidAnswer>
  readonly renewalInfo: (asked: RenewalInfoRequest) => Promise<RenewalAdvice>
  readonly issueJwtSvid: Story<JwtSvidRequest, IssuedJwtSvid>
}

export interface TaskFlows {
  readonly openTask: Story<OpenTaskRequest, TaskView>
  readonly listTasks: Story<ListTasksRequest, TaskPage>
  readonly showTask: Story<string, TaskView>
  readonly completeTask: Story<string, TaskView>
  readonly revokeTask: Story<string, TaskView>
  readonly suspendTask: Story<string, TaskView>
  readonly resumeTask: Story<string, TaskView>
}

export interface OauthFlows {
  readonly exchangeToken: Story<ExchangeRequest, ExchangeAnswer>
  readonly introspectToken: Story<{ readonly token: string }, Introspection>
  readonly introspectTokenAsJwt: Story<{ readonly token: string }, string>
  readonly revokeToken: Story<{ readonly token: string }, void>
  readonly authorizeRequest: Story<AskedRequest, AuthorizedRequest>
}

export interface FeedFlows {
  readonly openFeed: Story<FeedRequest, AsyncIterable<string>>
}

export interface AdminFlows {
  readonly addAgent: Story<AgentRequest, AgentRecord>
  readonly listAgents: Story<PageRequest, Page<AgentRecord>>
  readonly showAgent: Story<string, AgentRecord>
  readonly explainAgent: Story<ExplainRequest, AgentExplanation>
  readonly suspendAgent: Story<AgentStateRequest, AgentRecord>
  readonly resumeAgent: Story<AgentStateRequest, AgentRecord>
  readonly retireAgent: Story<GatedRetirementRequest, Gated<AgentRecord>>
  readonly addResource: Story<ResourceRequest, ResourceRecord>
  readonly listResources: Story<PageRequest, Page<ResourceRecord>>
  readonly addJoinToken: Story<JoinTokenRequest, NewJoinToken>
  readonly listJoinTokens: Story<PageRequest, Page<JoinTokenRecord>>
  readonly deleteJoinToken: Story<string, void>
  readonly addPrincipal: Story<PrincipalRequest, PrincipalRecord>
  readonly setOrchestration: Story<OrchestrationRequest, PrincipalRecord>
  readonly listPrincipals: Story<PageRequest, Page<PrincipalRecord>>
  readonly removePrincipal: Story<string, PrincipalRecord>
  readonly listInstances: Story<PageRequest, Page<InstanceRecord>>
  readonly listCertificates: Story<PageRequest, Page<CertificateRecord>>
  readonly listAuthorities: Story<PageRequest, Page<AuthorityRecord>>
  readonly askForAuthority: Story<PreparableKind, RequestedAuthority>
  readonly bringAuthority: Story<Bytes, AuthorityRecord>
  readonly bringCrl: Story<Bytes, ImportedCrl>
  readonly stepAuthority: Story<GatedStepRequest, Gated<StepOutcome>>
  readonly forecastStep: Story<StepRequest, StepForecast>
  readonly showRotation: (caller: Caller) => Promise<readonly AuthorityProgress[]>
  readonly revoke: Story<GatedRevocationRequest, Gated<Revocation>>
  readonly previewRevocation: Story<RevocationRequest, Revocation>
  readonly listApprovals: Story<PageRequest, Page<CurrentApproval>>
  readonly showApproval: Story<string, ShownApproval>
  readonly decideApproval: Story<DecisionRequest, ApprovalRecord>
  readonly listLeaves: Story<LeafPageRequest, Page<LogLeafRecord>>
  readonly whoami: (caller: Caller) => WhoAmI
}

/** Streams of security events. */
export interface SsfFlows {
  readonly createStream: Story<StreamRequest, SsfStreamRecord>
  readonly listStreams: (caller: Caller) => Promise<readonly SsfStreamRecord[]>
  readonly showStream: Story<string, SsfStreamRecord>
  readonly changeStream: Story<StreamChange, SsfStreamRecord>
  readonly deleteStream: Story<string, void>
  readonly setStreamStatus: Story<StatusRequest, SsfStreamRecord>
  readonly verifyStream: Story<{ readonly id: string; readonly state: string | null }, void>
  readonly pollStream: Story<PollRequest, PollAnswer>
}

/** What relying parties read to know what was taken back. */
export interface StatusFlows {
  readonly showCrl: (request: ShowCrlRequest) => Promise<ShownCrl>
  /** Takes an OCSPRequest, DER, from anybody. Never rejects. */
  readonly answerOcsp: (request: Bytes) => Promise<OcspReply>
}

/** What the server says of itself. */
export interface Health {
  /** Null when the server can say how things are; else why it cannot. */
  readonly ready: () => Promise<WritError | null>
  /** The same for signing. */
  readonly readyToIssue: () => Promise<WritError | null>
  /** Prometheus text. */
  readonly metrics: () => Promise<string>
}

/** The stories, bound to their ports, and what the public documents are made of. */
export interface Flows
  extends CallerFlows, EnrollmentFlows, TaskFlows, OauthFlows, SsfFlows, FeedFlows, AdminFlows, StatusFlows {
  readonly authorities: AuthoritySource
  /** By the number in its address. */
  readonly statusList: (list: string) => Promise<PublishedStatusList>
  readonly publicUrl: string
  readonly health: Health
}
