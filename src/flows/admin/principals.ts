import { record } from '#audit/index.ts'
import {
  authenticationError,
  createPrincipal,
  type Caller,
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
  const principal = removed === null ? made : { ...made, id: removed.id }
  const { id, subject, name, roles, state, createdAt } = principal
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
            set: { name, roles, state, createdAt },
            refuse,
          },
    ],
    leaf: adminLeaf(
      { type: 'principal.added', actor: caller.name, object: `principal:${id}` },
      { subject, roles: roles.join(' ') },
    ),
    events: [{ type: 'principal.added', data: { principal: id } }],
  })
  return principal
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
