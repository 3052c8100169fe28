import { describe, expect, it } from 'vitest'
import { after, DAY, instant } from '#kernel/instant.ts'
import { ATTESTATION_OID, encodeTbs, parseCertificate, PURPOSE, type Extension, type TbsTemplate } from '#x509/index.ts'
import { codeOf } from '../../support/code-of.ts'
import { hex } from '../../support/der.ts'
import {
  altName,
  authorityKey,
  basicConstraints,
  certify,
  directory,
  dns,
  email,
  extKeyUsage,
  ip,
  keyUsage,
  LEAF_ID,
  nameConstraints,
  subjectKey,
  TestAuthority,
  uri,
  X509_NOW,
} from '../../support/x509.ts'

const root = TestAuthority.root()
const key = root.key.publicKey

const attestation: Extension = {
  kind: 'writAttestation',
  critical: false,
  oid: ATTESTATION_OID,
  issuedAt: instant(1_797_840_000_123),
  keyClass: 'tpm',
  keyClassSource: 'attested',
  attestor: 'tpm',
  evidenceDigest: new Uint8Array(32).fill(7),
}

const FORMS: readonly (readonly [string, Extension])[] = [
  ['a leaf', basicConstraints(false)],
  ['an authority', basicConstraints(true)],
  ['an issuing authority', basicConstraints(true, 0)],
  ['an authority above three', basicConstraints(true, 3)],
  ['one usage', keyUsage('digitalSignature')],
  ['the usages of an authority', keyUsage('keyCertSign', 'cRLSign')],
  ['the ninth usage', keyUsage('keyAgreement', 'decipherOnly')],
  ['the eighth usage', keyUsage('keyAgreement', 'encipherOnly')],
  ['purposes', extKeyUsage(PURPOSE.serverAuth, PURPOSE.clientAuth)],
  ['a purpose of others', extKeyUsage('1.3.6.1.4.1.311.20.2.2')],
  [
    'every kind of name',
    altName(
      uri(LEAF_ID),
      dns('a.example.org'),
      email('a@example.org'),
      ip(10, 0, 0, 1),
      directory(root.certificate.subject),
      { type: 'other', tag: 0x88, value: hex('88022a03') },
    ),
  ],
  ['the key of the issuer', authorityKey(key)],
  [
    'the certificate of the issuer',
    {
      kind: 'authorityKeyIdentifier',
      critical: false,
      keyIdentifier: key.keyIdentifier,
      issuerAndSerial: hex('a106820461626364820101'),
    },
  ],
  ['the own key', subjectKey(key)],
  ['one CRL', { kind: 'crlDistributionPoints', critical: false, uris: ['http://status.example.org/crl/a/0.crl'] }],
  [
    'a CRL in two places',
    { kind: 'crlDistributionPoints', critical: false, uris: ['http://a/0.crl', 'http://b/0.crl'] },
  ],
  [
    'OCSP and the issuer',
    {
      kind: 'authorityInfoAccess',
      critical: false,
      accesses: [
        { method: 'ocsp', uri: 'http://a/ocsp' },
        { method: 'caIssuers', uri: 'http://a/ca.cer' },
      ],
    },
  ],
  [
    'permitted names',
    nameConstraints([
      uri('example.org'),
      uri('.example.org'),
      dns(''),
      dns('example.org'),
      ip(10, 0, 0, 0, 255, 0, 0, 0),
    ]),
  ],
  [
    'permitted and excluded names',
    nameConstraints([uri('example.org')], [email('example.com'), directory(root.certificate.subject)]),
  ],
  ['excluded names', nameConstraints([], [dns('example.com')])],
  ['no check', { kind: 'ocspNoCheck', critical: false }],
  ['an attestation', attestation],
  ['an attestation under another identifier', { ...attestation, oid: '1.3.6.1.4.1.99999.1' }],
  ['what is not known', { kind: 'other', critical: true, oid: '1.2.3.4', value: hex('0500') }],
]

describe('an extension', () => {
  it.each(FORMS)('of %s is read back as it was written', (_, extension) => {
    const oid = extension.kind === 'writAttestation' ? extension.oid : undefined
    const ca = extension.kind === 'basicConstraints' && extension.ca
    const template = root.leafTemplate({
      template: ca ? { subject: root.certificate.subject } : {},
      extensions: [extension],
    })
    const limits = { maxBytes: 16 * 1024, maxExtensions: 32, attestationOid: oid }
    const certificate = parseCertificate(certify(template, root.key), limits)
    expect(certificate.extensions.at(-1)).toEqual(extension)
    expect(certificate.extensions.length).toBe(template.extensions.length)
  })
})

describe('a certificate that is encoded', () => {
  it('C8 leaves out what is the default: cA FALSE is 30 00', () => {
    const text = Buffer.from(encodeTbs(root.leafTemplate())).toString('hex')
    expect(text).toContain('0603551d13' + '0101ff' + '0402' + '3000')
  })

  it('C11 writes one bit as 03 02 07 80', () => {
    expect(Buffer.from(encodeTbs(root.leafTemplate())).toString('hex')).toContain(
      '0603551d0f' + '0101ff' + '0404' + '03020780',
    )
  })

  it('C5 writes GeneralizedTime from 2050', () => {
    const notAfter = instant(Date.UTC(2050, 0, 1))
    const certificate = root.leaf({ template: { notAfter } })
    expect(certificate.notAfter).toBe(notAfter)
    expect(Buffer.from(certificate.tbs).toString('latin1')).toContain('20500101000000Z')
  })

  it('is one encoding per template', () => {
    const template = root.leafTemplate()
    expect(encodeTbs(template)).toEqual(encodeTbs({ ...template }))
  })

  it('may be larger than the writer expects', () => {
    const names = Array.from({ length: 200 }, (_, index) => dns(`name-${String(index)}.example.org`))
    const certificate = root.leaf({ extensions: [altName(uri(LEAF_ID), ...names)] })
    expect(certificate.extension('subjectAltName')?.names.length).toBe(201)
  })
})

describe('a template is refused', () => {
  const invalid: readonly (readonly [string, Partial<TbsTemplate>])[] = [
    ['C2 with serial number 0', { serial: hex('00') }],
    ['C2 with a negative serial number', { serial: hex('80') }],
    ['C2 with a padded serial number', { serial: hex('0001') }],
    ['C2 with a serial number of 21 octets', { serial: new Uint8Array(21).fill(1) }],
    ['C2 without a serial number', { serial: new Uint8Array() }],
    ['C4 without an issuer', { issuer: hex('3000') }],
    ['C5 when it ends before it begins', { notAfter: instant(X509_NOW - DAY) }],
    ['C5 with fractions of a second', { notAfter: after(X509_NOW, DAY + 1) }],
    ['without a key', { subjectPublicKey: new Uint8Array() }],
    ['with a subject that is no name', { subject: hex('0500') }],
  ]
  it.each(invalid)('%s', (_, template) => {
    expect(codeOf(() => encodeTbs(root.leafTemplate({ template })))).toBe('TEMPLATE_INVALID')
  })

  const extensions: readonly (readonly [string, readonly Extension[]])[] = [
    [
      'C6 with an empty subject and names that are not critical',
      [{ kind: 'subjectAltName', critical: false, names: [uri(LEAF_ID)] }],
    ],
    ['C6 with an empty subject for an authority', [basicConstraints(true)]],
    ['C8 with an extension twice', [keyUsage('digitalSignature'), keyUsage('digitalSignature')]],
    [
      'C8 with an extension twice under two kinds',
      [{ kind: 'other', critical: true, oid: '2.5.29.19', value: hex('3000') }],
    ],
    ['C11 without a usage', [keyUsage()]],
    ['C12 with a path length for a leaf', [basicConstraints(false, 0)]],
    ['C13 without names', [altName()]],
    ['C13 with a name that is not ASCII', [altName(dns('é.example.org'))]],
    ['C14 with name constraints that are empty', [nameConstraints([])]],
    [
      'C14 with name constraints that are not critical',
      [{ kind: 'nameConstraints', critical: false, permitted: [uri('example.org')], excluded: [] }],
    ],
    ['C15 without purposes', [extKeyUsage()]],
    ['C15 with a purpose that is no identifier', [extKeyUsage('serverAuth')]],
    ['C16 without a place of the CRL', [{ kind: 'crlDistributionPoints', critical: false, uris: [] }]],
    ['C17 without an access', [{ kind: 'authorityInfoAccess', critical: false, accesses: [] }]],
    ['with an attestation without digest', [{ ...attestation, evidenceDigest: new Uint8Array() }]],
    ['with an attestation without attestor', [{ ...attestation, attestor: '' }]],
  ]
  it.each(extensions)('%s', (_, changed) => {
    expect(codeOf(() => encodeTbs(root.leafTemplate({ extensions: changed })))).toBe('TEMPLATE_INVALID')
  })
})

describe('an attestation is refused', () => {
  const read = (value: string) =>
    codeOf(() =>
      root.leaf({ extensions: [{ kind: 'other', critical: false, oid: ATTESTATION_OID, value: hex(value) }] }),
    )
  const digest = `0420${'07'.repeat(32)}`

  it.each([
    ['with a key class of no kind', `3030 020101 020101 0a0103 0a0100 0c0174 ${digest}`.replace('3030', '3031')],
    ['with a short digest', '3011 020101 020101 0a0100 0a0100 0c0174 0400'],
    ['with more behind', `3033 020101 020101 0a0100 0a0100 0c0174 ${digest} 0500`],
    ['after the year 9999', `3037 020101 0207 01000000000000 0a0100 0a0100 0c0174 ${digest}`],
  ])('%s', (_, value) => {
    expect(read(value)).toBe('CERTIFICATE_EXTENSION')
  })

  it('but not one of a later version, which is not understood and not critical', () => {
    const oid = ATTESTATION_OID
    const value = hex('3006 020102 0c0161')
    const certificate = root.leaf({ extensions: [{ kind: 'other', critical: false, oid, value }] })
    expect(certificate.extensions.at(-1)).toEqual({ kind: 'other', critical: false, oid, value })
  })
})
