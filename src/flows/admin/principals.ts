import { record } from '#audit/index.ts'
import {
  authenticationError,
  createPrincipal,
  type Caller,
  type PrincipalRecord,
  type PrincipalRequest,
} from '#authentication/index.ts'
import { decide } from '../denials.ts'
import { readPage, type Page, type PageRequest } from '../pages.ts'
import type { Reader } from '../ports.ts'
import { adminLeaf, type AdminPorts } from './standing.ts'

/**
 * Makes somebody a principal. One who was removed comes back with these roles and no others.
 * @throws ROLE_REQUIRED, PRINCIPAL_TAKEN and what `createPrincipal` throws
 */
export async function addPrincipal(
  ports: AdminPorts,
  caller: Caller,
  request: PrincipalRequest,
): Promise<PrincipalRecord> {
  const what = { type: 'principal.added', actor: caller.name, object: 'principal:new' }
  const { principal, removed } = await decide(ports.journal, what, async () => {
    caller.requireRole('admin')
    const { trustDomain } = ports.profile
    const made = createPrincipal(request, { trustDomain, now: ports.clock.now(), random: ports.random })
    const found = await ports.reader.find('Principal', { subject: made.subject, state: 'removed' })
    return { principal: found === null ? made : { ...made, id: found.id }, removed: found !== null }
  })
  const { id, subject, roles } = principal
  const refuse = () => authenticationError('PRINCIPAL_TAKEN')
  await record(ports.journal, {
    lock: 'none',
    guards: [],
    changes: [
      removed
        ? { op: 'update', table: 'Principal', where: { id, state: 'removed' }, set: principal, refuse }
        : { op: 'insert', table: 'Principal', row: principal, refuse },
    ],
    leaf: adminLeaf({ ...what, object: `principal:${id}` }, { subject, roles: roles.join(' ') }),
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
export async function removePrincipal(ports: AdminPorts, caller: Caller, id: string): Promise<PrincipalRecord> {
  const what = { type: 'principal.removed', actor: caller.name, object: `principal:${id}` }
  const { principal, other } = await decide(ports.journal, what, async () => {
    caller.requireRole('admin')
    const found = await ports.reader.find('Principal', { id, state: 'active' })
    if (found === null) throw authenticationError('PRINCIPAL_NOT_FOUND')
    return { principal: found, other: await otherAdmin(ports.reader, id) }
  })
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
  return { ...principal, state: 'removed' }
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
