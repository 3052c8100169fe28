import { attestationError, createJoinToken, type JoinTokenRecord } from '#attestation/index.ts'
import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import type { AuthoritySource } from '#authority/index.ts'
import { toRfc3339, type Milliseconds } from '#kernel/instant.ts'
import type { Secret } from '#kernel/secret.ts'
import { administers, registryError, requireActive, type AgentRecord } from '#registry/index.ts'
import { anchorPins } from '../authority-pins.ts'
import { readPage, type Page, type PageRequest } from '../pages.ts'
import { recordingDenials, type Attempt } from '../recorded-story.ts'
import { findAgent } from './agents.ts'
import { adminLeaf, READERS, type AdminPorts } from './standing.ts'

export interface JoinTokenPorts extends AdminPorts {
  readonly authorities: AuthoritySource
}

export interface JoinTokenRequest {
  /** Name of the agent. */
  readonly agent: string
  readonly lifetime?: Milliseconds | undefined
}

export interface NewJoinToken {
  readonly record: JoinTokenRecord
  readonly agent: AgentRecord
  /** Shown once; only its hash is kept. */
  readonly token: Secret<string>
}

/**
 * Makes a join token for one enrollment of one agent. One for a person who administers needs an admin.
 * @throws ROLE_REQUIRED, AGENT_UNKNOWN, AGENT_SUSPENDED, AGENT_RETIRED, JOIN_TOKEN_LIFETIME,
 * JOIN_TOKEN_AGENT_HAS_SELECTORS, AUTHORITY_NOT_ACTIVE
 */
export function addJoinToken(ports: JoinTokenPorts, caller: Caller, request: JoinTokenRequest): Promise<NewJoinToken> {
  const attempt = { type: 'join-token.added', actor: caller.name, object: `agent:${request.agent}` }
  return recordingDenials(ports, attempt, (watched) => addJoinTokenAs(watched, caller, request))
}

async function addJoinTokenAs(ports: JoinTokenPorts, caller: Caller, request: JoinTokenRequest): Promise<NewJoinToken> {
  // 1. Who may, and whether a token could ever help this agent.
  caller.requireRole('operator')
  const agent = await findAgent(ports.reader, request.agent)
  if (administers(agent)) caller.requireRole('admin')
  requireActive(agent)
  const pins = anchorPins(ports.authorities.current())
  const order = { agent, lifetime: request.lifetime ?? null, createdBy: caller.name, pins }
  const { record: row, text } = createJoinToken(order, ports.clock.now(), ports.random)
  // 2. Its hash is kept, the token itself only answered.
  await record(ports.journal, {
    lock: 'none',
    guards: [
      {
        table: 'Agent',
        must: 'exist',
        where: { id: agent.id, version: agent.version },
        refuse: () => registryError('AGENT_CHANGED'),
      },
    ],
    changes: [{ op: 'insert', table: 'JoinToken', row, refuse: () => attestationError('JOIN_TOKEN_USED') }],
    leaf: adminLeaf(
      { type: 'join-token.added', actor: caller.name, object: `join-token:${row.id}` },
      { agent: agent.id, expires: toRfc3339(row.expiresAt) },
    ),
    events: [],
  })
  return { record: row, agent, token: text }
}

/** @throws ROLE_REQUIRED, CURSOR_INVALID, LIMIT_INVALID */
export async function listJoinTokens(
  ports: AdminPorts,
  caller: Caller,
  page: PageRequest,
): Promise<Page<JoinTokenRecord>> {
  caller.requireRole(...READERS)
  return readPage(ports.reader, 'JoinToken', page, { deletedAt: null })
}

/**
 * Makes a join token useless that nobody has redeemed.
 * @throws ROLE_REQUIRED, JOIN_TOKEN_UNKNOWN, JOIN_TOKEN_USED
 */
export function deleteJoinToken(ports: AdminPorts, caller: Caller, id: string): Promise<void> {
  const what = { type: 'join-token.deleted', actor: caller.name, object: `join-token:${id}` }
  return recordingDenials(ports, what, async (watched) => {
    caller.requireRole('operator')
    const found = await watched.reader.find('JoinToken', { id, deletedAt: null })
    if (found === null) throw attestationError('JOIN_TOKEN_UNKNOWN')
    await recordDeletion(watched, what, id)
  })
}

async function recordDeletion(ports: AdminPorts, what: Attempt, id: string): Promise<void> {
  await record(ports.journal, {
    lock: 'revoke',
    guards: [],
    changes: [
      {
        op: 'update',
        table: 'JoinToken',
        where: { id, deletedAt: null, redeemedAt: null },
        set: { deletedAt: ports.clock.now() },
        refuse: () => attestationError('JOIN_TOKEN_USED'),
      },
    ],
    leaf: adminLeaf(what),
    events: [],
  })
}
