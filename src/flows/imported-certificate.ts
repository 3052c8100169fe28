import { authorityError, isTrusted, type AuthorityRecord } from '#authority/index.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import { equal, toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Instant } from '#kernel/instant.ts'
import { parseCertificate, type Certificate } from '#x509/index.ts'
import type { Change } from './ports.ts'

export interface TrustedRoot {
  readonly id: string
  readonly certificate: Certificate
}

/** What a ceremony made, and every authority that is known here. */
export interface Arrival {
  readonly certificate: Certificate
  readonly records: readonly AuthorityRecord[]
}

/** The root of ours that signed it. @throws AUTHORITY_CERTIFICATE_INVALID where none has */
export function rootOf({ certificate, records }: Arrival): TrustedRoot {
  const roots = records.flatMap((one): readonly TrustedRoot[] => {
    if (one.kind !== 'x509-root' || one.certificate === null || !isTrusted(one.state)) return []
    return [{ id: one.id, certificate: parseCertificate(one.certificate) }]
  })
  const root = roots.find((one) => isSignedBy(certificate, one.certificate))
  if (root === undefined)
    throw authorityError('AUTHORITY_CERTIFICATE_INVALID', { details: { reason: 'no root of ours' } })
  return root
}

export function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  const algorithm = certificate.signatureAlgorithm.name
  return (
    algorithm !== undefined &&
    equal(certificate.issuer, issuer.subject) &&
    issuer.publicKey.verify(algorithm, certificate.tbs, certificate.signature)
  )
}

export function namesOf(certificate: Certificate): readonly string[] {
  const names = certificate.extension('subjectAltName')?.names ?? []
  return names.flatMap((name) => (name.type === 'uri' ? [name.value] : []))
}

/** What a root of ours signed is among our certificates, wherever it was signed. */
export function certificateRow(certificate: Certificate, root: TrustedRoot, now: Instant): Change {
  const serial = toHex(certificate.serial)
  const row: CertificateRecord = {
    serial,
    kind: 'authority',
    der: certificate.der,
    authority: root.id,
    spiffeId: namesOf(certificate)[0] ?? null,
    agent: null,
    instance: null,
    lineage: null,
    renewed: null,
    spkiHash: toHex(certificate.publicKey.spkiHash),
    tbsHash: toHex(sha256(certificate.tbs)),
    crlShard: 0,
    issuedAt: now,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    state: 'issued',
    revokedAt: null,
    reason: null,
    idempotencyKey: null,
  }
  const refuse = () => authorityError('AUTHORITY_CHANGED', { details: { serial } })
  return { op: 'insert', table: 'Certificate', row, refuse }
}
