import type { CertificateRecord } from '#issuance/index.ts'
import type { Instant } from '#kernel/instant.ts'
import { crlEntryOf, isListable } from '#revocation/index.ts'
import type { Change, Reader } from '../ports.ts'
import { listing } from './record-entries.ts'

/**
 * The line of a CRL, for a commit that takes back this one certificate and leaves no cutoff behind; nothing where there
 * is one already. The commit refuses with CRL_CHANGED when somebody else adds it meanwhile.
 */
export async function listingOf(
  reader: Reader,
  certificate: CertificateRecord,
  reason: string,
  now: Instant,
): Promise<readonly Change[]> {
  if (!isListable(certificate, now)) return []
  const { serial } = certificate
  if ((await reader.find('CrlEntry', { serial })) !== null) return []
  return [listing(crlEntryOf(certificate, { reason, at: now, now }))]
}
