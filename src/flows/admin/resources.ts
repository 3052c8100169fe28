import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { createResource, registryError, type ResourceRecord, type ResourceRequest } from '#registry/index.ts'
import { readPage, type Page, type PageRequest } from '../pages.ts'
import { recordingDenials } from '../recorded-story.ts'
import { rowDigest } from './digest.ts'
import { adminLeaf, READERS, type AdminPorts } from './standing.ts'

/**
 * Registers a receiver and what can be done with it.
 * @throws ROLE_REQUIRED, RESOURCE_AUDIENCE_TAKEN and what `createResource` throws
 */
export function addResource(ports: AdminPorts, caller: Caller, request: ResourceRequest): Promise<ResourceRecord> {
  const attempt = { type: 'resource.added', actor: caller.name, object: 'resource:new' }
  return recordingDenials(ports, attempt, (watched) => addResourceAs(watched, caller, request))
}

async function addResourceAs(ports: AdminPorts, caller: Caller, request: ResourceRequest): Promise<ResourceRecord> {
  caller.requireRole('operator')
  const { trustDomain, publicUrl } = ports.profile
  const issuers = [publicUrl, `${publicUrl}/spiffe`]
  const resource = createResource(request, { trustDomain, issuers, now: ports.clock.now(), random: ports.random })
  await record(ports.journal, {
    lock: 'none',
    guards: [],
    changes: [
      { op: 'insert', table: 'Resource', row: resource, refuse: () => registryError('RESOURCE_AUDIENCE_TAKEN') },
    ],
    leaf: adminLeaf(
      { type: 'resource.added', actor: caller.name, object: `resource:${resource.id}` },
      { audience: resource.audience, registration: rowDigest(resource) },
    ),
    events: [{ type: 'resource.added', data: { resource: resource.id } }],
  })
  return resource
}

/** @throws ROLE_REQUIRED, CURSOR_INVALID, LIMIT_INVALID */
export async function listResources(
  ports: AdminPorts,
  caller: Caller,
  page: PageRequest,
): Promise<Page<ResourceRecord>> {
  caller.requireRole(...READERS)
  return readPage(ports.reader, 'Resource', page)
}
