import { prepareServerCertificate, sign } from '#issuance/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import type { PublicKey } from '#x509/index.ts'
import { ownGuards } from './issuance-guards.ts'
import type { IssuePorts } from './issuance-ports.ts'
import { recordIntent, recordIssued } from './record-certificate.ts'

export interface ServerCertificateRequest {
  /** Of a key that the server has just made and keeps in memory. */
  readonly publicKey: PublicKey
  readonly dnsNames: readonly string[]
  /** 4 or 16 octets each. */
  readonly ipAddresses: readonly Bytes[]
}

export interface ServerCertificate {
  /** DER. */
  readonly certificate: Bytes
  /** What the server sends behind it, the anchor included: a first contact has only its pin (promise 13). DER. */
  readonly chain: readonly Bytes[]
  readonly serial: string
  readonly authority: string
  readonly issuedAt: Instant
  readonly notAfter: Instant
}

/** The server's own TLS certificate, through the same points as any other (promise 1). @throws as `issueX509Svid` */
export async function issueServerCertificate(
  ports: IssuePorts,
  request: ServerCertificateRequest,
): Promise<ServerCertificate> {
  const { journal, clockGuard, random, profile } = ports
  // 1. The clock is right, or nothing is issued.
  const issuedAt = await clockGuard.check()
  // 2. Build what is to be signed, and lint it.
  const authorities = ports.authorities.current()
  const signer = authorities.active('x509')
  const made = prepareServerCertificate({ ...request, issuance: profile, signer, issuedAt, random })
  // 3. Commit the intent with its audit leaf.
  const receipt = await recordIntent(journal, {
    made,
    leaf: { type: 'certificate.intent', actor: 'system', inputDigest: null, policy: null },
    guards: ownGuards(profile, made.record),
    changes: [],
  })
  // 4. Sign, verify, compare, lint.
  const issued = await sign(made.prepared, receipt)
  // 5. Commit issued.
  await recordIssued(journal, issued, { actor: 'system', changes: [] })
  // 6. Hand it to the listeners.
  const { serial, authority, notAfter } = issued.record
  const chain = [...authorities.chainFor(authority), authorities.anchorOf(authority)].map(({ der }) => der)
  return { certificate: issued.certificate.der, chain, serial, authority, issuedAt, notAfter }
}
