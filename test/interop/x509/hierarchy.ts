import type { Bytes } from '#kernel/bytes.ts'
import { after, DAY, HOUR, instant, MINUTE, wholeSecond } from '#kernel/instant.ts'
import { ATTESTATION_OID, encodeName, type Extension } from '#x509/index.ts'
import { altName, basicConstraints, dns, ip, LEAF_ID, newKeyPair, TestAuthority, uri } from '../../support/x509.ts'

/** Other programs judge by the machine's clock. */
export const now = wholeSecond(instant(Date.now()))
export const validity = { notBefore: instant(now - MINUTE), notAfter: after(now, HOUR) }
export const long = { notBefore: instant(now - DAY), notAfter: after(now, 30 * DAY) }

/** Everything that a leaf of ours may carry. */
const attestation: Extension = {
  kind: 'writAttestation',
  critical: false,
  oid: ATTESTATION_OID,
  issuedAt: instant(now),
  keyClass: 'tpm',
  keyClassSource: 'attested',
  attestor: 'tpm',
  evidenceDigest: new Uint8Array(32).fill(7),
}
const LEAF_EXTENSIONS: readonly Extension[] = [
  altName(uri(LEAF_ID), dns('agent.example.org'), ip(127, 0, 0, 1)),
  { kind: 'crlDistributionPoints', critical: false, uris: ['http://status.example.org/crl/a/0.crl'] },
  {
    kind: 'authorityInfoAccess',
    critical: false,
    accesses: [
      { method: 'ocsp', uri: 'http://status.example.org/ocsp' },
      { method: 'caIssuers', uri: 'http://status.example.org/ca/a.cer' },
    ],
  },
  attestation,
]

export interface Hierarchy {
  readonly root: TestAuthority
  readonly issuing: TestAuthority
  readonly leaf: Bytes
}

function hierarchyOf(algorithm: 'ES256' | 'ES384' | 'RS256'): Hierarchy {
  const name = altName(uri('spiffe://example.org'))
  const uncritical: Extension = { ...name, critical: false }
  const root = TestAuthority.root('Writ root', { template: long, extensions: [uncritical] }, newKeyPair(algorithm))
  const subject = encodeName({ organization: 'Écrit', commonName: 'Writ issuing', serialNumber: '1' })
  const issuing = root.authority('Writ issuing', {
    template: { ...long, subject },
    extensions: [basicConstraints(true, 0), uncritical],
  })
  const leaf = issuing.leafDer({ template: validity, extensions: LEAF_EXTENSIONS }, newKeyPair(algorithm).publicKey)
  return { root, issuing, leaf }
}

export const HIERARCHIES = (['ES256', 'ES384', 'RS256'] as const).map(
  (algorithm) => [algorithm, hierarchyOf(algorithm)] as const,
)
