import { record } from '#audit/index.ts'
import {
  authenticationError,
  checkOrchestration,
  createPrincipal,
  type Caller,
  type Orchestration,
  type PrincipalRecord,
  type PrincipalRequest,
} from '#authentication/index.ts'
import { readPage, type Page, type PageRequest } from '../pages.ts'
import type { Reader } from '../ports.ts'
import { recordingDenials, type Attempt } from '../recorded-story.ts'
import { adminLeaf, type AdminPorts } from './standing.ts'

/**
 * Makes somebody a principal. One who was removed comes back with these roles and no others.
 * @throws ROLE_REQUIRED, PRINCIPAL_TAKEN and what `createPrincipal` throws
 */
export function addPrincipal(ports: AdminPorts, caller: Caller, request: PrincipalRequest): Promise<PrincipalRecord> {
  const attempt = { type: 'principal.added', actor: caller.name, object: 'principal:new' }
  return recordingDenials(ports, attempt, (watched) => addPrincipalAs(watched, caller, request))
}

async function addPrincipalAs(ports: AdminPorts, caller: Caller, request: PrincipalRequest): Promise<PrincipalRecord> {
  caller.requireRole('admin')
  const { trustDomain } = ports.profile
  const made = createPrincipal(request, { trustDomain, now: ports.clock.now(), random: ports.random })
  const removed = await ports.reader.find('Principal', { subject: made.subject, state: 'removed' })
  const principal = removed === null ? made : { ...made, id: removed.id, version: removed.version + 1 }
  const { id, version, ...given } = principal
  const refuse = () => authenticationError('PRINCIPAL_TAKEN')
  await record(ports.journal, {
    lock: 'none',
    guards: [],
    changes: [
      removed === null
        ? { op: 'insert', table: 'Principal', row: principal, refuse }
        : {
            op: 'update',
            table: 'Principal',
            where: { id, state: 'removed' },
            set: { ...given, version },
            refuse,
          },
    ],
    leaf: adminLeaf(
      { type: 'principal.added', actor: caller.name, object: `principal:${id}` },
      { subject: given.subject, roles: given.roles.join(' ') },
      listsOf(principal),
    ),
    events: [{ type: 'principal.added', data: { principal: id } }],
  })
  return principal
}

export interface OrchestrationRequest extends Orchestration {
  /** Of the principal. */
  readonly id: string
}

/**
 * Sets what an orchestrator may open tasks for, in place of what it was. It bites at the next task; those that are open
 * stay so.
 * @throws ROLE_REQUIRED, PRINCIPAL_NOT_FOUND, PRINCIPAL_CHANGED and what `checkOrchestration` throws
 */
export function setOrchestration(
  ports: AdminPorts,
  caller: Caller,
  request: OrchestrationRequest,
): Promise<PrincipalRecord> {
  const { id } = request
  const what = { type: 'principal.changed', actor: caller.name, object: `principal:${id}` }
  return recordingDenials(ports, what, async (watched) => {
    caller.requireRole('admin')
    const principal = await watched.reader.find('Principal', { id, state: 'active' })
    if (principal === null) throw authenticationError('PRINCIPAL_NOT_FOUND')
    const set = { ...checkOrchestration(request, principal.roles), version: principal.version + 1 }
    await record(watched.journal, {
      // Whoever opens a task under the old lists comes before this, or is refused by the version.
      lock: 'revoke',
      guards: [],
      changes: [
        {
          op: 'update',
          table: 'Principal',
          where: { id, version: principal.version, state: 'active' },
          set,
          refuse: () => authenticationError('PRINCIPAL_CHANGED'),
        },
      ],
      leaf: adminLeaf(what, {}, listsOf(set)),
      events: [{ type: 'principal.changed', data: { principal: id } }],
    })
    return { ...principal, ...set }
  })
}

/** Subjects are people, so they lie beside the leaf. */
function listsOf({ subjects, agents }: Orchestration): Readonly<Record<string, string>> {
  return subjects.length + agents.length === 0 ? {} : { subjects: subjects.join(' '), agents: agents.join(' ') }
}

/** @throws ROLE_REQUIRED, CURSOR_INVALID, LIMIT_INVALID */
export async function listPrincipals(
  ports: AdminPorts,
  caller: Caller,
  page: PageRequest,
): Promise<Page<PrincipalRecord>> {
  caller.requireRole('auditor', 'admin')
  return readPage(ports.reader, 'Principal', page)
}

/**
 * Takes everything from a principal, at once. The last admin stays, or nobody could ever add one again.
 * @throws ROLE_REQUIRED, PRINCIPAL_NOT_FOUND, PRINCIPAL_LAST_ADMIN
 */
export function removePrincipal(ports: AdminPorts, caller: Caller, id: string): Promise<PrincipalRecord> {
  const what = { type: 'principal.removed', actor: caller.name, object: `principal:${id}` }
  return recordingDenials(ports, what, async (watched) => {
    caller.requireRole('admin')
    const principal = await watched.reader.find('Principal', { id, state: 'active' })
    if (principal === null) throw authenticationError('PRINCIPAL_NOT_FOUND')
    await recordRemoval(watched, what, { id, other: await otherAdmin(watched.reader, id) })
    return { ...principal, state: 'removed' }
  })
}

async function recordRemoval(
  ports: AdminPorts,
  what: Attempt,
  { id, other }: { readonly id: string; readonly other: string },
): Promise<void> {
  await record(ports.journal, {
    lock: 'revoke',
    // The other admin must still be one: two who remove each other at the same moment would leave none.
    guards: [
      {
        table: 'Principal',
        must: 'exist',
        where: { id: other, state: 'active' },
        refuse: () => authenticationError('PRINCIPAL_LAST_ADMIN'),
      },
    ],
    changes: [
      {
        op: 'update',
        table: 'Principal',
        where: { id, state: 'active' },
        set: { state: 'removed' },
        refuse: () => authenticationError('PRINCIPAL_NOT_FOUND'),
      },
    ],
    leaf: adminLeaf(what),
    events: [{ type: 'principal.removed', data: { principal: id } }],
  })
}

const PAGE = 1000

/** @throws PRINCIPAL_LAST_ADMIN */
async function otherAdmin(reader: Reader, id: string): Promise<string> {
  for (let after: string | undefined; ;) {
    const rows: readonly PrincipalRecord[] = await reader.list('Principal', {
      where: { state: 'active' },
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    const admin = rows.find((row) => row.id !== id && row.roles.includes('admin'))
    if (admin !== undefined) return admin.id
    after = rows.at(-1)?.id
    if (rows.length < PAGE || after === undefined) throw authenticationError('PRINCIPAL_LAST_ADMIN')
  }
}
