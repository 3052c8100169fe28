import { authorityError, isAwaiting, type AuthorityRecord } from '#authority/index.ts'
import { record } from '#audit/index.ts'
import { PROFILES } from '#issuance/index.ts'
import { equal, toHex, type Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import { authorityFindings, parseCertificate, type Certificate } from '#x509/index.ts'
import { importCross } from './import-cross.ts'
import { certificateRow, isSignedBy, namesOf, rootOf, type Arrival, type TrustedRoot } from './imported-certificate.ts'
import { importRoot } from './import-root.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import { listAuthorities, refreshAuthorities } from './load-authorities.ts'
import type { Commit } from './ports.ts'
import { transitionAuthority } from './transition-authority.ts'

export interface ImportOrder {
  readonly actor: string
  /** DER: a root, or what a ceremony signed for a request of ours. */
  readonly certificate: Bytes
}

/**
 * Takes a certificate from a ceremony: a root, an issuing authority, or a root as another one has signed it. A first root is trusted at once, a further one is only prepared; an issuing
 * authority that waited for it can be published and activated like any other. Importing the same again changes nothing.
 * @throws AUTHORITY_CERTIFICATE_INVALID with the reason, AUTHORITY_NOT_AWAITED, AUTHORITY_EXPIRED,
 * AUTHORITY_KEY_MISMATCH, AUTHORITY_CHANGED, KEY_…, CLOCK_…, CERTIFICATE_…
 */
export async function importAuthority(ports: AuthorityPorts, order: ImportOrder): Promise<AuthorityRecord> {
  // 1. Read it, and see whether it is here already.
  const certificate = parseCertificate(order.certificate)
  const records = await listAuthorities(ports.reader)
  const present = records.find((one) => one.certificate !== null && equal(one.certificate, certificate.der))
  if (present !== undefined) return present
  // 2. A root signs itself; all else must be what we asked for.
  const imported = equal(certificate.issuer, certificate.subject)
    ? await takeRoot(ports, order, records)
    : await takeSigned(ports, order.actor, { certificate, records })
  // 3. Go by it from now on.
  await refreshAuthorities(ports)
  return imported
}

async function takeRoot(
  ports: AuthorityPorts,
  { actor, certificate }: ImportOrder,
  records: readonly AuthorityRecord[],
): Promise<AuthorityRecord> {
  checkSelfSigned(parseCertificate(certificate), ports.profile.trustDomain.id().toString())
  const root = await importRoot(ports, actor, { certificate, keyReference: null })
  if (records.some(({ kind, state }) => kind === 'x509-root' && state === 'active')) return root
  await transitionAuthority(ports, { actor, id: root.id, step: 'publish' })
  return transitionAuthority(ports, { actor, id: root.id, step: 'activate' })
}

function checkSelfSigned(certificate: Certificate, trustDomainId: string): void {
  refuseUnless(isSignedBy(certificate, certificate), 'signature')
  refuseUnless(namesOf(certificate).includes(trustDomainId), 'trust domain')
  const [finding] = authorityFindings(certificate)
  refuseUnless(finding === undefined, finding ?? '')
}

/** Of a root of ours another one vouches for it; of anything else we must have asked for it. */
function takeSigned(ports: AuthorityPorts, actor: string, arrival: Arrival): Promise<AuthorityRecord> {
  const { spki } = arrival.certificate.publicKey
  const subject = arrival.records.find(({ kind, publicKey }) => kind === 'x509-root' && equal(publicKey, spki))
  return subject === undefined ? takeIssuing(ports, actor, arrival) : importCross(ports, { actor, subject, arrival })
}

async function takeIssuing(ports: AuthorityPorts, actor: string, arrival: Arrival): Promise<AuthorityRecord> {
  const { certificate, records } = arrival
  const now = await ports.clockGuard.check()
  const spki = certificate.publicKey.spki
  const awaiting = records.find((one) => isAwaiting(one) && equal(one.publicKey, spki))
  if (awaiting === undefined) throw authorityError('AUTHORITY_NOT_AWAITED')
  const root = rootOf(arrival)
  checkIssuing(certificate, { root, now, trustDomainId: ports.profile.trustDomain.id().toString() })
  // Before it is promised to anybody: the key is still there.
  await ports.keys.open(awaiting.keyReference, spki)
  const { notBefore, notAfter, der } = certificate
  const set = { certificate: der, issuer: root.id, notBefore, notAfter, version: awaiting.version + 1 }
  const refuse = () => authorityError('AUTHORITY_CHANGED', { details: { authority: awaiting.id } })
  const { id, version } = awaiting
  await record<Commit>(ports.journal, {
    lock: 'issue',
    guards: [],
    changes: [
      { op: 'update', table: 'Authority', where: { id, version, state: 'prepared' }, set, refuse },
      certificateRow(certificate, root, now),
    ],
    leaf: {
      type: 'authority.imported',
      actor,
      object: `authority:${id}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: { certificate: `sha-256:${toHex(certificate.fingerprint)}`, root: root.id },
    },
    events: [{ type: 'authority.changed', data: { id, kind: 'x509', state: 'prepared' } }],
  })
  return { ...awaiting, ...set }
}

interface Demands {
  readonly root: TrustedRoot
  readonly now: Instant
  readonly trustDomainId: string
}

function checkIssuing(certificate: Certificate, { root, now, trustDomainId }: Demands): void {
  const { notBefore, notAfter } = certificate
  const { mostLifetime, backdate } = PROFILES.issuing
  const [finding] = authorityFindings(certificate)
  refuseUnless(finding === undefined, finding ?? '')
  refuseUnless(certificate.extension('keyUsage')?.usages.includes('cRLSign') === true, 'key usage')
  refuseUnless(certificate.extension('basicConstraints')?.pathLength === 0, 'path length')
  refuseUnless(namesOf(certificate).join() === trustDomainId, 'trust domain')
  refuseUnless(notAfter - notBefore <= mostLifetime + backdate && notAfter <= root.certificate.notAfter, 'lifetime')
  refuseUnless(
    certificate.extensions.every(({ kind }) => kind !== 'other' && EXTENSIONS.has(kind)),
    'extension',
  )
  if (now < notBefore || now >= notAfter) throw authorityError('AUTHORITY_EXPIRED')
}

const EXTENSIONS: ReadonlySet<string> = new Set(PROFILES.issuing.extensions)

function refuseUnless(right: boolean, reason: string): void {
  if (!right) throw authorityError('AUTHORITY_CERTIFICATE_INVALID', { details: { reason } })
}
