import type { CertificateRecord } from '#issuance/index.ts'
import { fromHex } from '#kernel/bytes.ts'
import { earliest, wholeSecond, type Instant } from '#kernel/instant.ts'
import { CrlEntry } from '#x509/index.ts'
import { crlReasonOf } from './crl-reason.ts'
import type { CrlEntryRecord } from './records.ts'

/** Why and when a certificate was taken back, and when that is being written down. */
export interface Taken {
  readonly reason: string
  readonly at: Instant
  readonly now: Instant
}

/**
 * The line that the CRLs of its authority have for a certificate which has been taken back. A row that says so of
 * itself says since when and why; but a compromised key is always told.
 */
export function crlEntryOf(certificate: CertificateRecord, taken: Taken): CrlEntryRecord {
  const { serial, authority, crlShard, notAfter, revokedAt } = certificate
  const reason = taken.reason === COMPROMISED ? COMPROMISED : (certificate.reason ?? taken.reason)
  const since = earliest(taken.at, taken.now, ...(revokedAt === null ? [] : [revokedAt]))
  return { serial, authority, shard: crlShard, revokedAt: wholeSecond(since), reason, notAfter, addedAt: taken.now }
}

/** Whether a CRL of its authority has to list it: one that has run out is dead without. */
export function isListable({ notAfter }: CertificateRecord, now: Instant): boolean {
  return notAfter > now
}

/** Whether what is stored has to change for `given`: reasons stay, unless the key turns out to be compromised. */
export function isUpgrade(stored: CrlEntryRecord, given: CrlEntryRecord): boolean {
  return given.reason === COMPROMISED && stored.reason !== COMPROMISED
}

/** Encoded for a CRL of that moment, which lists nothing that is still to come, also after its clock was set back (R10). */
export function encodedEntry({ serial, revokedAt, reason }: CrlEntryRecord, thisUpdate: Instant): CrlEntry {
  return CrlEntry.of({
    serial: fromHex(serial),
    revokedAt: earliest(revokedAt, thisUpdate),
    reason: crlReasonOf(reason),
  })
}

const COMPROMISED = 'key_compromise'
