import { authorityError, offlineReference, requireAuthority, type AuthorityRecord } from '#authority/index.ts'
import { record } from '#audit/index.ts'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { newId } from '#kernel/ids.ts'
import type { Signer } from '#kernel/signer.ts'
import { jwkFromSpki, thumbprint } from '#jwt/index.ts'
import { parseCertificate, type KeyKind, type PublicKey } from '#x509/index.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import type { Commit } from './ports.ts'
import { draftOf, insertOf } from './prepare-authority.ts'

export interface RootImport {
  /** DER. */
  readonly certificate: Bytes
  /** Null when no server opens the key. */
  readonly keyReference: string | null
}

/**
 * Takes a root of the operator's into the trust domain, in state `prepared`; what it signed elsewhere is none of our
 * business.
 * @throws AUTHORITY_CERTIFICATE_INVALID, AUTHORITY_KEY_MISMATCH, AUTHORITY_EXPIRED, KEY_…, CLOCK_…, CERTIFICATE_…
 */
export async function importRoot(
  ports: Omit<AuthorityPorts, 'authorities'>,
  actor: string,
  { certificate: der, keyReference }: RootImport,
): Promise<AuthorityRecord> {
  const now = await ports.clockGuard.check()
  const certificate = parseCertificate(der)
  const signer = keyReference === null ? publicHalf(certificate.publicKey) : await ports.keys.open(keyReference)
  requireAuthority(certificate, signer)
  // An issuing authority must fit below it.
  if (certificate.extension('basicConstraints')?.pathLength === 0) throw authorityError('AUTHORITY_CERTIFICATE_INVALID')
  const { notBefore, notAfter } = certificate
  if (now < notBefore || now >= notAfter) throw authorityError('AUTHORITY_EXPIRED')
  const id = newId('authority', now, ports.random)
  const reference = keyReference ?? offlineReference(thumbprint(jwkFromSpki(signer.publicKey)))
  const draft = draftOf({ id, kind: 'x509-root', keyReference: reference, signer, now })
  const root = { ...draft, certificate: der, notBefore, notAfter }
  await record<Commit>(ports.journal, {
    lock: 'none',
    guards: [],
    changes: [insertOf(root)],
    leaf: {
      type: 'authority.imported',
      actor,
      object: `authority:${id}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: { kid: root.kid },
    },
    events: [],
  })
  return root
}

const ALGORITHMS: Readonly<Record<KeyKind, SignatureAlgorithm>> = { 'P-256': 'ES256', 'P-384': 'ES384', RSA: 'RS256' }

function publicHalf({ kind, spki }: PublicKey): Pick<Signer, 'algorithm' | 'publicKey'> {
  return { algorithm: ALGORITHMS[kind], publicKey: spki }
}
