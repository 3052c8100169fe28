import { describe, expect, it } from 'vitest'
import { after, DAY, HOUR, type Instant } from '#kernel/instant.ts'
import {
  assembleCrl,
  buildPath,
  CrlEntry,
  encodeTbsCrl,
  parseCrl,
  type Crl,
  type CrlTemplate,
  type PathOptions,
} from '#x509/index.ts'
import { codeOf } from '../../support/code-of.ts'
import { signWith, TestAuthority, X509_NOW } from '../../support/x509.ts'

const root = TestAuthority.root()
const issuing = root.authority()
const leaf = issuing.leaf()

interface Wishes extends Partial<CrlTemplate> {
  readonly by?: TestAuthority
  readonly revoked?: readonly TestAuthority[]
}

function crl({ by = root, revoked = [], ...wishes }: Wishes = {}): Crl {
  const entries = revoked.map(({ certificate }) =>
    CrlEntry.of({ serial: certificate.serial, revokedAt: X509_NOW, reason: 'cACompromise' }),
  )
  const tbs = encodeTbsCrl({
    signatureAlgorithm: by.key.algorithm,
    issuer: root.certificate.subject,
    thisUpdate: X509_NOW,
    nextUpdate: after(X509_NOW, 30 * DAY),
    entries,
    authorityKeyIdentifier: root.certificate.publicKey.keyIdentifier,
    number: 1n,
    ...wishes,
  })
  return parseCrl(assembleCrl(tbs, by.key.algorithm, signWith(by.key, tbs)))
}

const outcome = (
  crls: readonly Crl[],
  options: Partial<PathOptions> = {},
  at: Instant = after(X509_NOW, HOUR),
): string =>
  codeOf(() =>
    buildPath(leaf, [issuing.certificate], [root.certificate], { at, purpose: 'clientAuth', crls, ...options }),
  )
const required = { requireIntermediateCrl: true }

describe('a chain with an intermediate', () => {
  it('is refused when a CRL of its root lists the intermediate', () => {
    expect(outcome([crl()])).toBe('ACCEPTED')
    expect(outcome([crl({ revoked: [issuing] })])).toBe('PATH_AUTHORITY_REVOKED')
    expect(outcome([crl(), crl({ number: 2n, revoked: [issuing] })])).toBe('PATH_AUTHORITY_REVOKED')
  })

  it('needs a current CRL where that is asked for, and none otherwise', () => {
    expect(outcome([])).toBe('ACCEPTED')
    expect(outcome([], required)).toBe('PATH_CRL_MISSING')
    expect(outcome([crl()], required)).toBe('ACCEPTED')
    const short = crl({ nextUpdate: after(X509_NOW, HOUR) })
    expect(outcome([short], required)).toBe('PATH_CRL_MISSING')
    expect(outcome([short], required, after(X509_NOW, HOUR - 1000))).toBe('ACCEPTED')
  })

  it('is refused by a CRL that has run out, too: whom it lists is dead', () => {
    expect(outcome([crl({ revoked: [issuing], nextUpdate: after(X509_NOW, HOUR) })])).toBe('PATH_AUTHORITY_REVOKED')
  })

  it('is neither cleared nor refused by a CRL that its root has not signed', () => {
    const other = TestAuthority.root()
    const forged = crl({ by: other, revoked: [issuing] })
    expect(outcome([forged])).toBe('ACCEPTED')
    expect(outcome([crl({ by: other })], required)).toBe('PATH_CRL_MISSING')
  })

  it('is not cleared by a CRL that speaks of leaves, or of a part of them', () => {
    const leaves = crl({ scope: { distributionPoint: undefined, only: 'userCertificates' } })
    const shard = crl({ scope: { distributionPoint: 'http://status.example.org/crl/a/0.crl', only: undefined } })
    const authorities = crl({ scope: { distributionPoint: undefined, only: 'authorityCertificates' } })
    expect(outcome([leaves, shard], required)).toBe('PATH_CRL_MISSING')
    expect(outcome([authorities], required)).toBe('ACCEPTED')
  })

  it('is cleared by a CRL of the place that it names itself, octet for octet, and by that of no other', () => {
    const point = 'http://status.example.org/crl/root-1.crl'
    const named = root.authority('Named', {
      extensions: [{ kind: 'crlDistributionPoints', critical: false, uris: [point] }],
    })
    const verdict = (distributionPoint: string, only?: 'userCertificates'): string =>
      codeOf(() =>
        buildPath(named.leaf(), [named.certificate], [root.certificate], {
          at: after(X509_NOW, HOUR),
          purpose: 'clientAuth',
          crls: [crl({ scope: { distributionPoint, only } })],
          ...required,
        }),
      )
    expect(verdict(point)).toBe('ACCEPTED')
    expect(verdict(`${point}/`)).toBe('PATH_CRL_MISSING')
    expect(verdict(point, 'userCertificates')).toBe('PATH_CRL_MISSING')
  })

  it('does not concern a leaf that the anchor itself has signed', () => {
    const direct = (): unknown =>
      buildPath(root.leaf(), [], [root.certificate], { at: X509_NOW, purpose: 'clientAuth', ...required })
    expect(codeOf(direct)).toBe('ACCEPTED')
  })
})
