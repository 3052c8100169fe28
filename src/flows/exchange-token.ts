import type { AgentIdentity, Caller } from '#authentication/index.ts'
import { newId } from '#kernel/ids.ts'
import { after, MINUTE, SECOND, type Instant } from '#kernel/instant.ts'
import { prepareTaskToken } from '#issuance/index.ts'
import { permitToken, type Grant } from '#policy/index.ts'
import { faultOf } from '#revocation/index.ts'
import { claimsOf, Mandate, tasksError, tokenRecordOf } from '#tasks/index.ts'
import type { AuthorizationDetail, Bearer, TaskRecord, Users } from '#tasks/index.ts'
import { ACCESS_TOKEN_TYPE } from '#wire/index.ts'
import { exchangeGuards, type Decided } from './exchange-guards.ts'
import { checkRequest, type CheckedRequest, type ExchangeRequest } from './exchange-request.ts'
import type { IssuePorts } from './issuance-ports.ts'
import { issueJwt, type TokenCommit } from './issue-token.ts'
import { oauthError } from './oauth-errors.ts'
import type { Change, Reader } from './ports.ts'
import { readTogether } from './read-together.ts'
import { recordingDenials } from './recorded-story.ts'
import type { StatusIndexes } from './status-indexes.ts'
import { statusReference } from './status-list/address.ts'
import { verifySubjectToken, type NarrowProof, type StartProof } from './subject-token.ts'
import { bindToken, type Binding, type BindingPorts } from './token-binding.ts'
import { readGrounds } from './token-grounds.ts'
import { usedOnce } from './user-proof.ts'

export interface ExchangePorts extends IssuePorts, BindingPorts {
  readonly statusIndexes: StatusIndexes
  readonly users: Users
}

/** RFC 8693 section 2.2.1. There is no refresh token: renewal is a new exchange and a new decision. */
export interface ExchangeAnswer {
  readonly accessToken: string
  readonly issuedTokenType: typeof ACCESS_TOKEN_TYPE
  readonly tokenType: 'Bearer' | 'DPoP'
  /** Seconds. */
  readonly expiresIn: number
  readonly scope: string
  /** What was granted (RAR-2). */
  readonly authorizationDetails: readonly AuthorizationDetail[]
  readonly task: string
  readonly transaction: string
  /** What the next DPoP proof must carry; null where none was sent. */
  readonly dpopNonce: string | null
}

/**
 * Token exchange (RFC 8693) in two modes: *start* begins a chain under a task with the agent's own JWT-SVID, or with an
 * ID token of the user whom the task is for; *narrow* derives a token from one of the agent's own. The token is bound to the key of the DPoP proof that came along, else to
 * the client's certificate.
 * @throws AUTHENTICATION_REQUIRED, CALLER_NOT_AGENT, the codes of `checkRequest`, `bindToken`, `verifySubjectToken`,
 *   `Mandate` and `permitToken`, SUBJECT_TOKEN_DEAD, SUBJECT_TOKEN_REPLAYED, DERIVATIONS_EXHAUSTED, TASK_CHANGED, STANDING_CHANGED,
 *   CUT_OFF, ISSUANCE_PAUSED, and what issuing throws
 */
export async function exchangeToken(
  ports: ExchangePorts,
  caller: Caller,
  request: ExchangeRequest,
): Promise<ExchangeAnswer> {
  // 1. Who asks: an agent, with its certificate.
  const client = caller.requireAgent()
  const attempt = { type: 'token.issued', actor: caller.name, object: `instance:${client.instance.id}` }
  return recordingDenials({ ...ports, reader: readTogether(ports.reader) }, attempt, async (watched) => {
    // 2. What it asks for, and whether the target exists.
    const checked = checkRequest(request, client)
    await requireResource(watched.reader, checked.asked.audience)
    // 3. What it shows for it, and what follows from that: the mandate.
    const now = await watched.clockGuard.check()
    const binding = await bindToken(watched, client, { dpop: request.dpop, now })
    const proof = await verifySubjectToken(watched, checked, caller.name, now)
    const decided = await decide(watched, client, { checked, proof, binding, now })
    // 4. May it?
    const { mandate } = decided
    const facts = { at: now, attestedAt: client.instance.attestedAt, keyClass: binding.key.class }
    const grant = permitToken(mandate, client.agent, facts)
    // 5. Prepare; commit the token with everything that it was decided on as guard; sign; answer.
    return issue(watched, decided, { grant, binding, commitments: caller.commitments })
  })
}

/** RI-1 */
async function requireResource(reader: Reader, audience: string): Promise<void> {
  const resource = await reader.find('Resource', { audience, state: 'active' })
  if (resource === null) throw tasksError('TARGET_UNKNOWN')
}

interface Evidence {
  readonly checked: CheckedRequest
  readonly proof: StartProof | NarrowProof
  readonly binding: Binding
  readonly now: Instant
}

async function decide(ports: ExchangePorts, client: AgentIdentity, evidence: Evidence): Promise<Decided> {
  const { certificate } = client
  const { proof, binding } = evidence
  const { agent, instance } = client
  const { confirmation, key } = binding
  const bearer: Bearer = { agent, instance, certificate, confirmation, key, spiffeId: client.spiffeId.toString() }
  const trustDomain = ports.profile.trustDomain.name
  if (proof.kind === 'start') {
    const mandate = await start(ports.reader, bearer, { ...evidence, proof })
    return { mandate, trustDomain, certificate, start: proof, chain: [], above: [] }
  }
  const narrowed = await narrow(ports, bearer, { ...evidence, proof })
  return { ...narrowed, trustDomain, certificate, start: null }
}

async function start(
  reader: Reader,
  bearer: Bearer,
  { checked, proof, now }: Evidence & { readonly proof: StartProof },
): Promise<Mandate> {
  if (checked.taskId === null) throw oauthError('TOKEN_PARAMETER_MISSING', { details: { member: 'task_id' } })
  const task = await findOwnTask(reader, checked.taskId, bearer)
  if (proof.by === 'user' && proof.user.subject !== task.subject) throw oauthError('SUBJECT_TOKEN_OTHER_SUBJECT')
  return Mandate.start(task, bearer, checked.asked, now)
}

/** Unknown and somebody else's answer alike. */
async function findOwnTask(reader: Reader, id: string, bearer: Bearer): Promise<TaskRecord> {
  const task = await reader.find('Task', { id, agent: bearer.agent.id })
  if (task === null) throw tasksError('TASK_NOT_FOUND')
  return task
}

async function narrow(
  ports: ExchangePorts,
  bearer: Bearer,
  { checked, proof, now }: Evidence & { readonly proof: NarrowProof },
): Promise<Pick<Decided, 'mandate' | 'chain' | 'above'>> {
  const { claims } = proof.token
  // TE-12: whoever shows a bound token must hold the key that it is bound to; a thief would launder it otherwise.
  const { method, thumbprint } = bearer.confirmation
  const isBound = claims.confirmation.method === method && claims.confirmation.thumbprint === thumbprint
  if (!isBound || proof.token.actor !== bearer.spiffeId) throw oauthError('SUBJECT_TOKEN_NOT_YOURS')
  const record = await ports.reader.find('TaskToken', { jti: claims.id, agent: bearer.agent.id })
  if (record === null) throw oauthError('SUBJECT_TOKEN_INVALID')
  if (checked.taskId !== null && checked.taskId !== record.task) throw oauthError('SUBJECT_TOKEN_OTHER_TASK')
  const grounds = await readGrounds(ports.reader, record, ports.profile.trustDomain.name)
  if (grounds.task === null) throw tasksError('TASK_NOT_FOUND')
  const parent = { record, authority: claims.authority, actors: claims.actors.map((actor) => actor.toString()) }
  // The mandate says first which state the task is in, which is more use than that its tokens are dead.
  const mandate = Mandate.narrow(grounds.task, bearer, parent, { asked: checked.asked, now })
  const fault = faultOf(grounds, now)
  if (fault !== null) throw oauthError('SUBJECT_TOKEN_DEAD', { details: { fault } })
  const above = [grounds, ...grounds.above].filter((one) => one.certificate?.serial !== bearer.certificate.serial)
  return { mandate, chain: [...grounds.ancestors, record], above }
}

interface Granted {
  readonly grant: Grant
  readonly binding: Binding
  /** How the caller was known. */
  readonly commitments: Readonly<Record<string, string>>
}

async function issue(ports: ExchangePorts, decided: Decided, granted: Granted): Promise<ExchangeAnswer> {
  const { grant, binding } = granted
  const { mandate } = decided
  const jti = newId('token', mandate.issuedAt, ports.random)
  const statusIndex = await ports.statusIndexes.next()
  const issuer = ports.profile.publicUrl
  const status = statusReference(issuer, statusIndex)
  const claims = claimsOf(mandate, { jti, issuer, policy: grant.policyDigest, status })
  const prepared = prepareTaskToken(grant, ports.authorities.current().active('access-token'), claims)
  const row = tokenRecordOf(mandate, jti, statusIndex)
  const commit: TokenCommit = {
    guards: [...exchangeGuards(decided), ...binding.guards],
    changes: [
      ...binding.changes,
      ...derivationChange(mandate),
      ...replayChange(decided),
      { op: 'insert', table: 'TaskToken', row, refuse: idTaken },
    ],
    leaf: leafOf(mandate, granted),
    events: [{ type: 'token.issued', data: { token: jti, task: mandate.task, agent: row.agent } }],
  }
  return {
    accessToken: await issueJwt(ports, { prepared, commit }),
    issuedTokenType: ACCESS_TOKEN_TYPE,
    tokenType: binding.confirmation.method === 'jkt' ? 'DPoP' : 'Bearer',
    expiresIn: Math.floor((mandate.expiresAt - mandate.issuedAt) / SECOND),
    scope: mandate.scope,
    authorizationDetails: mandate.authority,
    task: mandate.task,
    transaction: mandate.transaction,
    dpopNonce: binding.nextNonce,
  }
}

/** Counted in the commit that records the token: under any interleaving no more are derived than the task allows. */
function derivationChange(mandate: Mandate): readonly Change[] {
  if (mandate.parent === null) return []
  const refuse = () => tasksError('DERIVATIONS_EXHAUSTED')
  return [{ op: 'count', counter: `derivations:${mandate.task}`, below: mandate.maxDerivations, refuse }]
}

/**
 * The proof is used once: the `jti` of a JWT-SVID, or what was signed of an ID token, is taken in the commit that issues
 * the token, and kept a while longer than it lives, since a replica whose clock is behind takes it for as long.
 */
function replayChange({ start: proof }: Decided): readonly Change[] {
  if (proof === null) return []
  if (proof.by === 'user') return [usedOnce(proof.user)]
  const row = { key: `jwt-svid:${proof.jti}`, expiresAt: after(proof.expiresAt, MINUTE) }
  return [{ op: 'insert', table: 'Replay', row, refuse: () => oauthError('SUBJECT_TOKEN_REPLAYED') }]
}

function idTaken(): ReturnType<typeof oauthError> {
  return oauthError('TOKEN_ID_TAKEN')
}

function leafOf(mandate: Mandate, { grant, commitments }: Granted): TokenCommit['leaf'] {
  const { instance, certificate } = mandate.bearer
  const lineage = mandate.parent === null ? {} : { parent: mandate.parent }
  const ids = { task: mandate.task, transaction: mandate.transaction, instance: instance.id }
  return {
    type: 'token.issued',
    actor: mandate.actor,
    inputDigest: grant.inputDigest,
    policy: grant.policyDigest,
    commitments: { ...ids, ...lineage, ...commitments, certificate: certificate.serial },
    private: { input: grant.input },
  }
}
