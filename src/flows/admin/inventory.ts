import type { Caller } from '#authentication/index.ts'
import type { AuthorityRecord } from '#authority/index.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import type { InstanceRecord } from '#registry/index.ts'
import { readPage, type Page, type PageRequest } from '../pages.ts'
import type { Reader } from '../ports.ts'
import { READERS } from './standing.ts'

interface InventoryPorts {
  readonly reader: Reader
}

/** @throws ROLE_REQUIRED, CURSOR_INVALID, LIMIT_INVALID */
export async function listInstances(
  ports: InventoryPorts,
  caller: Caller,
  page: PageRequest,
): Promise<Page<InstanceRecord>> {
  caller.requireRole(...READERS)
  return readPage(ports.reader, 'Instance', page)
}

/** Every certificate that we ever meant to sign. @throws ROLE_REQUIRED, CURSOR_INVALID, LIMIT_INVALID */
export async function listCertificates(
  ports: InventoryPorts,
  caller: Caller,
  page: PageRequest,
): Promise<Page<CertificateRecord>> {
  caller.requireRole(...READERS)
  return readPage(ports.reader, 'Certificate', page)
}

/** @throws ROLE_REQUIRED, CURSOR_INVALID, LIMIT_INVALID */
export async function listAuthorities(
  ports: InventoryPorts,
  caller: Caller,
  page: PageRequest,
): Promise<Page<AuthorityRecord>> {
  caller.requireRole(...READERS)
  return readPage(ports.reader, 'Authority', page)
}
