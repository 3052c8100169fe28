import { record } from '#audit/index.ts'
import { authenticationError, createPrincipal, type PrincipalRecord } from '#authentication/index.ts'
import { adminLeaf, type AdminPorts } from './standing.ts'

/**
 * The first admin is the user of the machine who runs `server init`; there is no other way to one without an admin.
 * @throws BOOTSTRAP_DONE as soon as there has ever been a principal
 */
export async function bootstrapFirstAdmin(
  ports: AdminPorts,
  user: { readonly uid: number; readonly name: string },
): Promise<PrincipalRecord> {
  const principal = createPrincipal(
    { subject: `local:${String(user.uid)}`, name: user.name, roles: ['admin'] },
    { trustDomain: ports.profile.trustDomain, now: ports.clock.now(), random: ports.random },
  )
  const { id, subject, roles } = principal
  const refuse = () => authenticationError('BOOTSTRAP_DONE')
  await record(ports.journal, {
    lock: 'revoke',
    guards: [{ table: 'Principal', must: 'not-exist', where: { id: { gt: '' } }, refuse }],
    changes: [{ op: 'insert', table: 'Principal', row: principal, refuse }],
    leaf: adminLeaf(
      { type: 'principal.added', actor: 'system', object: `principal:${id}` },
      { subject, roles: roles.join(' ') },
    ),
    events: [{ type: 'principal.added', data: { principal: id } }],
  })
  return principal
}
