import { registryError } from './errors.ts'
import type { Permission, ResourceRecord } from './records.ts'

const MAX_PERMISSIONS = 64

/**
 * Only audiences and actions that a resource's owner has registered can be permitted: a misspelled one would be
 * permitted for nobody, silently.
 * @throws AGENT_PERMISSION_INVALID, AGENT_AUDIENCE_UNKNOWN, AGENT_ACTION_UNKNOWN
 */
export function parsePermissions(
  wanted: readonly Permission[],
  resources: readonly ResourceRecord[],
): readonly Permission[] {
  const audiences = new Set(wanted.map((permission) => permission.audience))
  if (wanted.length > MAX_PERMISSIONS || audiences.size !== wanted.length) {
    throw registryError('AGENT_PERMISSION_INVALID')
  }
  return wanted.map((permission) => parsePermission(permission, resources))
}

function parsePermission(permission: Permission, resources: readonly ResourceRecord[]): Permission {
  const { audience, actions } = permission
  if (actions.length === 0 || new Set(actions).size !== actions.length) throw registryError('AGENT_PERMISSION_INVALID')
  const resource = resources.find((candidate) => candidate.audience === audience && candidate.state === 'active')
  if (resource === undefined) throw registryError('AGENT_AUDIENCE_UNKNOWN', { details: { audience } })
  const unknown = actions.find((action) => !resource.actions.includes(action))
  if (unknown !== undefined) throw registryError('AGENT_ACTION_UNKNOWN', { details: { audience, action: unknown } })
  return { audience, actions: [...actions] }
}
