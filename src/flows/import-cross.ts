import { authorityError, isTrusted, type AuthorityRecord } from '#authority/index.ts'
import { record } from '#audit/index.ts'
import { equal, toHex } from '#kernel/bytes.ts'
import { authorityFindings, parseCertificate } from '#x509/index.ts'
import { crossFindings } from './ceremony/cross-findings.ts'
import { certificateRow, rootOf, type Arrival } from './imported-certificate.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import type { Commit } from './ports.ts'

export interface CrossImport {
  readonly actor: string
  /** The root of ours whose key is certified. */
  readonly subject: AuthorityRecord
  readonly arrival: Arrival
}

/**
 * Takes the certificate of one root of ours by another one, from a ceremony: as soon as both are trusted it is sent behind
 * what is under the one, for those who know only the other. Importing the same again changes nothing.
 * @throws AUTHORITY_CERTIFICATE_INVALID with the reason, AUTHORITY_EXPIRED, AUTHORITY_CHANGED, CLOCK_…
 */
export async function importCross(
  { reader, journal, clockGuard }: Pick<AuthorityPorts, 'reader' | 'journal' | 'clockGuard'>,
  { actor, subject, arrival }: CrossImport,
): Promise<AuthorityRecord> {
  const { certificate } = arrival
  const serial = toHex(certificate.serial)
  const known = await reader.find('Certificate', { serial })
  if (known?.der != null && equal(known.der, certificate.der)) return subject
  // 1. By a root of ours, for a root of ours that has a future, and nothing else than that.
  const now = await clockGuard.check()
  const issuer = rootOf(arrival)
  requireFit(subject, arrival, issuer)
  if (now < certificate.notBefore || now >= certificate.notAfter) throw authorityError('AUTHORITY_EXPIRED')
  // 2. Write it down. The root's version says to every replica that there is news.
  const { id, version, state } = subject
  const refuse = () => authorityError('AUTHORITY_CHANGED', { details: { authority: id } })
  await record<Commit>(journal, {
    lock: 'issue',
    guards: [
      {
        table: 'Authority',
        must: 'exist',
        where: { id: issuer.id, state: { in: ['published', 'active', 'retiring'] } },
        refuse,
      },
    ],
    changes: [
      { op: 'update', table: 'Authority', where: { id, version, state }, set: { version: version + 1 }, refuse },
      certificateRow(certificate, issuer, now),
    ],
    leaf: {
      type: 'authority.imported',
      actor,
      object: `authority:${id}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: { certificate: `sha-256:${toHex(certificate.fingerprint)}`, root: issuer.id, cross: id },
    },
    events: [{ type: 'authority.changed', data: { id, kind: 'x509-root', state } }],
  })
  return { ...subject, version: version + 1 }
}

function requireFit(subject: AuthorityRecord, { certificate }: Arrival, issuer: ReturnType<typeof rootOf>): void {
  if (!isTrusted(subject.state) && subject.state !== 'prepared') throw unfit('state')
  if (subject.certificate === null) throw unfit('subject')
  const pair = { subject: parseCertificate(subject.certificate), issuer: issuer.certificate }
  const [finding] = [...authorityFindings(certificate), ...crossFindings(certificate, pair)]
  if (finding !== undefined) throw unfit(finding)
}

function unfit(reason: string): Error {
  return authorityError('AUTHORITY_CERTIFICATE_INVALID', { details: { reason } })
}
