import { describe, expect, it } from 'vitest'
import type { Bytes } from '#kernel/bytes.ts'
import { after, HOUR } from '#kernel/instant.ts'
import {
  authorityFindings,
  encodeName,
  issuedLeafFindings,
  leafFindings,
  PURPOSE,
  verifyX509Svid,
  type Extension,
} from '#x509/index.ts'
import { codeOf } from '../../support/code-of.ts'
import {
  altName,
  basicConstraints,
  dns,
  extKeyUsage,
  ip,
  keyUsage,
  LEAF_ID,
  LEAF_KEY,
  TestAuthority,
  uri,
  X509_NOW,
  type Changes,
} from '../../support/x509.ts'

const root = TestAuthority.root('Root', { extensions: [altName(uri('spiffe://example.org'))] })
const other = TestAuthority.root('Other', { extensions: [altName(uri('spiffe://example.com'))] })
const issuing = root.authority('Issuing', {
  extensions: [basicConstraints(true, 0), altName(uri('spiffe://example.org'))],
})

const bundles = new Map([
  ['example.org', [root.certificate]],
  ['example.com', [other.certificate]],
  ['empty.example', []],
])
const anchorsOf = ({ name }: { name: string }) => bundles.get(name)
const options = { at: X509_NOW, purpose: 'clientAuth' } as const

const verify = (chain: readonly Bytes[]) => verifyX509Svid(chain, anchorsOf, options)
const codeFor = (...chain: Bytes[]) => codeOf(() => verify(chain))
const codeForLeaf = (changes: Changes) => codeFor(root.leafDer(changes))

describe('an X.509-SVID', () => {
  it('X-12 is verified with the chain that came along', () => {
    const svid = verify([issuing.leafDer(), issuing.certificate.der])
    expect(svid.spiffeId.toString()).toBe(LEAF_ID)
    expect(svid.certificate.publicKey.spki).toEqual(LEAF_KEY.publicKey.spki)
    expect(svid.path.anchor).toBe(root.certificate)
  })

  it('X-1 may have DNS names and addresses beside its one URI', () => {
    const names = altName(dns('a.example.org'), uri(LEAF_ID), ip(127, 0, 0, 1))
    expect(codeForLeaf({ extensions: [names] })).toBe('ACCEPTED')
  })

  it('carries its expiry within a grace', () => {
    const late = { ...options, at: after(X509_NOW, 2 * HOUR), expiryGrace: HOUR }
    expect(verifyX509Svid([root.leafDer()], anchorsOf, late).path.expired).toBe(true)
  })
})

describe('an X.509-SVID is refused', () => {
  it('when there is none', () => {
    expect(codeFor()).toBe('SVID_CHAIN_EMPTY')
  })

  it.each([
    ['X-1 with two URIs', [uri(LEAF_ID), uri('spiffe://example.org/agent/other/i-1')]],
    ['X-1 with the same URI twice', [uri(LEAF_ID), uri(LEAF_ID)]],
    ['X-1 with another URI beside', [uri(LEAF_ID), uri('https://example.org')]],
    ['X-1 without a URI', [dns('a.example.org')]],
  ])('%s', (_, names) => {
    expect(codeForLeaf({ extensions: [altName(...names)] })).toBe('SVID_URI_COUNT')
  })

  it('X-1 without names', () => {
    const subject = encodeName({ commonName: 'a' })
    expect(codeForLeaf({ template: { subject }, without: ['subjectAltName'] })).toBe('SVID_URI_COUNT')
  })

  it('X-2 with the ID of the trust domain itself', () => {
    expect(codeForLeaf({ extensions: [altName(uri('spiffe://example.org'))] })).toBe('SVID_ID_WITHOUT_PATH')
  })

  it.each(['https://example.org/a', 'spiffe://example.org/', 'spiffe://Example.org/a', 'spiffe://example.org/a/../b'])(
    'X-13 with the ID %s',
    (id) => {
      expect(codeForLeaf({ extensions: [altName(uri(id))] })).toBe('SVID_ID_INVALID')
    },
  )

  const subject = encodeName({ commonName: 'a' })
  it.each([
    ['X-10 X-13 of an authority', [basicConstraints(true), keyUsage('digitalSignature')], 'SVID_IS_AUTHORITY'],
    ['X-13 that may sign certificates', [keyUsage('digitalSignature', 'keyCertSign')], 'SVID_KEY_USAGE'],
    ['X-13 that may sign CRLs', [keyUsage('digitalSignature', 'cRLSign')], 'SVID_KEY_USAGE'],
  ])('%s', (_, extensions: readonly Extension[], code) => {
    expect(codeForLeaf({ extensions, template: { subject } })).toBe(code)
  })

  it('X-10 when it is a signing certificate of the bundle', () => {
    expect(codeFor(root.certificate.der)).toBe('SVID_IS_AUTHORITY')
    expect(codeFor(issuing.certificate.der, root.certificate.der)).toBe('SVID_IS_AUTHORITY')
  })

  it('X-16 when the authority of another trust domain signed it', () => {
    expect(codeFor(other.leafDer())).toBe('PATH_NOT_FOUND')
    expect(codeFor(other.leafDer(), other.certificate.der)).toBe('PATH_NOT_FOUND')
    expect(codeFor(other.leafDer({ extensions: [altName(uri('spiffe://example.com/a'))] }))).toBe('ACCEPTED')
  })

  it('X-16 when its trust domain has no bundle, or an empty one', () => {
    const id = (name: string) => ({ extensions: [altName(uri(`spiffe://${name}/a`))] })
    expect(codeForLeaf(id('unknown.example'))).toBe('SVID_TRUST_DOMAIN_UNKNOWN')
    expect(codeForLeaf(id('empty.example'))).toBe('SVID_TRUST_DOMAIN_UNKNOWN')
  })

  it('with a chain of twenty, before the first is read', () => {
    const chain = Array.from({ length: 20 }, () => new Uint8Array(3))
    expect(codeFor(...chain)).toBe('PATH_TOO_LONG')
  })

  it('when a certificate behind it is malformed', () => {
    expect(codeFor(root.leafDer(), new Uint8Array(3))).toBe('CERTIFICATE_MALFORMED')
  })
})

describe('findings', () => {
  it('are none for what we issue', () => {
    expect(leafFindings(issuing.leaf())).toEqual([])
    expect(issuedLeafFindings(issuing.leaf())).toEqual([])
    expect(authorityFindings(root.certificate)).toEqual([])
    expect(authorityFindings(issuing.certificate)).toEqual([])
  })

  it.each([
    ['X-5 a leaf without key usage', { without: ['keyUsage'] }, 'SVID_KEY_USAGE'],
    [
      'X-5 a leaf whose key usage is not critical',
      { extensions: [{ kind: 'keyUsage', critical: false, usages: ['digitalSignature'] }] },
      'SVID_KEY_USAGE',
    ],
    ['X-7 a leaf without digitalSignature', { extensions: [keyUsage('keyAgreement')] }, 'SVID_KEY_USAGE'],
    ['X-8 a leaf for one end only', { extensions: [extKeyUsage(PURPOSE.serverAuth)] }, 'SVID_EXTENDED_KEY_USAGE'],
    ['X-8 a leaf without extended key usage', { without: ['extKeyUsage'] }, 'SVID_EXTENDED_KEY_USAGE'],
    ['C9 a leaf without the key of its issuer', { without: ['authorityKeyIdentifier'] }, 'SVID_KEY_IDENTIFIER'],
    ['X-1 a leaf with two URIs', { extensions: [altName(uri(LEAF_ID), uri(LEAF_ID))] }, 'SVID_URI_COUNT'],
  ] satisfies [string, Changes, string][])('tell of %s', (_, changes, finding) => {
    expect(issuedLeafFindings(issuing.leaf(changes))).toEqual([finding])
  })

  it.each([
    ['X-4 an authority that is none', { extensions: [basicConstraints(false)] }, 'PATH_ISSUER_NOT_AUTHORITY'],
    [
      'C12 an authority that says so uncritically',
      { extensions: [{ kind: 'basicConstraints', critical: false, ca: true, pathLength: undefined }] },
      'PATH_ISSUER_NOT_AUTHORITY',
    ],
    ['X-6 an authority without keyCertSign', { extensions: [keyUsage('cRLSign')] }, 'PATH_KEY_USAGE'],
    [
      'X-6 an authority that signs other things',
      { extensions: [keyUsage('digitalSignature', 'keyCertSign')] },
      'PATH_KEY_USAGE',
    ],
    ['C10 an authority without its own key', { without: ['subjectKeyIdentifier'] }, 'SVID_KEY_IDENTIFIER'],
    ['X-9 an authority whose ID has a path', { extensions: [altName(uri(LEAF_ID))] }, 'SVID_ID_INVALID'],
    [
      'X-1 an authority with two URIs',
      { extensions: [altName(uri('spiffe://example.org'), uri('spiffe://example.org'))] },
      'SVID_URI_COUNT',
    ],
  ] satisfies [string, Changes, string][])('tell of %s', (_, changes, finding) => {
    expect(authorityFindings(TestAuthority.root('Root', changes).certificate)).toEqual([finding])
  })
})
