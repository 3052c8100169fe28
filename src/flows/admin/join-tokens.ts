import { attestationError, createJoinToken, type JoinTokenRecord } from '#attestation/index.ts'
import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import type { AuthoritySource } from '#authority/index.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import type { Secret } from '#kernel/secret.ts'
import { administers, registryError, requireActive, type AgentRecord } from '#registry/index.ts'
import { anchorPins } from '../authority-pins.ts'
import { decide } from '../denials.ts'
import { readPage, type Page, type PageRequest } from '../pages.ts'
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
export async function addJoinToken(
  ports: JoinTokenPorts,
  caller: Caller,
  request: JoinTokenRequest,
): Promise<NewJoinToken> {
  const what = { type: 'join-token.added', actor: caller.name, object: `agent:${request.agent}` }
  // 1. Who may, and whether a token could ever help this agent.
  const { agent, made } = await decide(ports.journal, what, async () => {
    caller.requireRole('operator')
    const found = await findAgent(ports.reader, request.agent)
    if (administers(found)) caller.requireRole('admin')
    requireActive(found)
    const pins = anchorPins(ports.authorities.current())
    const order = { agent: found, lifetime: request.lifetime ?? null, createdBy: caller.name, pins }
    return { agent: found, made: createJoinToken(order, ports.clock.now(), ports.random) }
  })
  // 2. Its hash is kept, the token itself only answered.
  const row = made.record
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
    leaf: adminLeaf({ ...what, object: `join-token:${row.id}` }, { agent: agent.id, expires: String(row.expiresAt) }),
    events: [],
  })
  return { record: row, agent, token: made.text }
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
export async function deleteJoinToken(ports: AdminPorts, caller: Caller, id: string): Promise<void> {
  const what = { type: 'join-token.deleted', actor: caller.name, object: `join-token:${id}` }
  await decide(ports.journal, what, async () => {
    caller.requireRole('operator')
    const found = await ports.reader.find('JoinToken', { id, deletedAt: null })
    if (found === null) throw attestationError('JOIN_TOKEN_UNKNOWN')
  })
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
