import { createHash, generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { concat, utf8, type Bytes } from '#kernel/bytes.ts'
import { encodeName, parseCertificate, parseName, PURPOSE } from '#x509/index.ts'
import { codeOf } from '../../support/code-of.ts'
import { elementAt, hex, oidElement, replaceAt, sequence, tlv } from '../../support/der.ts'
import { altName, ip, LEAF_ID, LEAF_KEY, spkiOf, TestAuthority, uri, X509_NOW } from '../../support/x509.ts'

const root = TestAuthority.root()
const good = root.leafDer()
const codeFor = (der: Bytes) => codeOf(() => parseCertificate(der))

/** Where the parts of a certificate are. */
const VERSION = [0, 0, 0]
const SERIAL = [0, 0, 1]
const TBS_ALGORITHM = [0, 0, 2]
const ISSUER = [0, 0, 3]
const NOT_BEFORE = [0, 0, 4, 0]
const SPKI = [0, 0, 6]
const EXTENSIONS = [0, 0, 7, 0]
const ALGORITHM = [0, 1]
const SIGNATURE = [0, 2]

const change = (path: readonly number[], to: string | Bytes | ((old: Bytes) => Bytes)) =>
  replaceAt(good, path, (old) => (typeof to === 'function' ? to(old) : typeof to === 'string' ? hex(to) : to))

const extension = (oid: string, critical: boolean, value: Bytes) =>
  sequence(oidElement(oid), ...(critical ? [hex('0101ff')] : []), tlv(0x04, value))

/** The leaf with one more extension. */
const withExtension = (oid: string, value: string, critical = false) =>
  change(EXTENSIONS, (list) => sequence(elementContents(list), extension(oid, critical, hex(value))))

const elementContents = (element: Bytes) => element.subarray(element.length > 257 ? 4 : element.length > 130 ? 3 : 2)

/** The leaf with the value of one of its extensions replaced. */
function withValue(index: number, value: string): Bytes {
  const raw = elementAt(good, [...EXTENSIONS, index])
  const critical = raw.includes(0xff) && raw[raw.indexOf(0xff) - 2] === 1
  return replaceAt(good, [...EXTENSIONS, index, critical ? 2 : 1], () => tlv(0x04, hex(value)))
}

const [KEY_USAGE, EXT_KEY_USAGE, BASIC_CONSTRAINTS, AUTHORITY_KEY, SUBJECT_KEY, ALT_NAME] = [0, 1, 2, 3, 4, 5]

describe('a certificate', () => {
  const certificate = parseCertificate(good)

  it('is read into typed values', () => {
    expect(certificate.subject).toEqual(hex('3000'))
    expect(certificate.issuer).toEqual(encodeName({ commonName: 'Root' }))
    expect(certificate.notBefore).toBe(X509_NOW)
    expect(certificate.publicKey.spki).toEqual(LEAF_KEY.publicKey.spki)
    expect(certificate.signatureAlgorithm.name).toBe('ES256')
    expect(certificate.isAuthority).toBe(false)
    expect(certificate.extension('keyUsage')).toEqual({
      kind: 'keyUsage',
      critical: true,
      usages: ['digitalSignature'],
    })
    expect(certificate.extension('extKeyUsage')?.purposes).toEqual([PURPOSE.serverAuth, PURPOSE.clientAuth])
    expect(certificate.extension('subjectAltName')?.names).toEqual([uri(LEAF_ID)])
    expect(certificate.extension('nameConstraints')).toBeUndefined()
    expect(Buffer.from(certificate.fingerprint)).toEqual(createHash('sha256').update(good).digest())
  })

  it('gives the exact octets that its signature covers', () => {
    expect(certificate.tbs).toEqual(elementAt(good, [0, 0]))
    expect(root.key.publicKey.verify('ES256', certificate.tbs, certificate.signature)).toBe(true)
  })

  it('keeps extensions that it does not know, and says whether they are critical', () => {
    const other = parseCertificate(withExtension('1.2.3.4', '0500', true)).extensions.at(-1)
    expect(other).toEqual({ kind: 'other', critical: true, oid: '1.2.3.4', value: hex('0500') })
  })
})

describe('a certificate is refused', () => {
  it('when it is larger than is accepted, before anything is read', () => {
    expect(codeFor(new Uint8Array(16 * 1024 + 1))).toBe('CERTIFICATE_TOO_LARGE')
  })

  it.each([
    ['with bytes behind', concat(good, new Uint8Array(1))],
    ['cut short', good.subarray(0, -1)],
    ['empty', new Uint8Array()],
    ['with an element behind its signature', change(SIGNATURE, (old) => concat(old, hex('0500')))],
    ['with an element behind its extensions', change([0, 0, 7], (old) => concat(old, hex('0500')))],
    ['with a second list of extensions', change(EXTENSIONS, (old) => concat(old, old))],
    ['with a padded serial number', change(SERIAL, '02020001')],
    ['with a signature that is not of whole octets', change(SIGNATURE, '03020180')],
    ['with an empty list of extensions', change(EXTENSIONS, '3000')],
    ['with an empty relative name', change(ISSUER, '30023100')],
    ['with a BER truth in an extension', change([...EXTENSIONS, KEY_USAGE, 1], '010101')],
    [
      'with UTF-8 that is none in a name',
      change(ISSUER, sequence(tlv(0x31, sequence(oidElement('2.5.4.3'), hex('0c02c328'))))),
    ],
    [
      'with a star in a NumericString',
      change(ISSUER, sequence(tlv(0x31, sequence(oidElement('2.5.4.3'), tlv(0x12, utf8('*')))))),
    ],
    [
      'with 33 attributes in a name',
      change(
        ISSUER,
        sequence(...Array.from({ length: 33 }, () => tlv(0x31, sequence(oidElement('2.5.4.3'), tlv(0x0c, utf8('a')))))),
      ),
    ],
  ])('%s', (_, der) => {
    expect(codeFor(der)).toBe('CERTIFICATE_MALFORMED')
  })

  it.each([
    ['without a version', change(VERSION, new Uint8Array())],
    ['of version 1, spelled out', change(VERSION, 'a003020100')],
    ['of version 2', change(VERSION, 'a003020101')],
    ['of version 4', change(VERSION, 'a003020103')],
  ])('C1 %s', (_, der) => {
    expect(codeFor(der)).toBe('CERTIFICATE_VERSION')
  })

  it.each([
    ['zero', '020100'],
    ['negative', '0201ff'],
    ['of 21 octets', `0215${'11'.repeat(21)}`],
    ['of 20 octets and a sign octet', `021500${'ff'.repeat(20)}`],
  ])('C2 with a serial number that is %s', (_, serial) => {
    expect(codeFor(change(SERIAL, serial))).toBe('CERTIFICATE_SERIAL')
  })

  it('C2 but not with one of 20 octets', () => {
    expect(codeFor(change(SERIAL, `0214${'7f'.repeat(20)}`))).toBe('ACCEPTED')
  })

  it('C3 when its two algorithms differ, or one has parameters', () => {
    const es384 = sequence(oidElement('1.2.840.10045.4.3.3'))
    const withNull = sequence(oidElement('1.2.840.10045.4.3.2'), hex('0500'))
    expect(codeFor(change(ALGORITHM, es384))).toBe('CERTIFICATE_ALGORITHM')
    expect(codeFor(change(TBS_ALGORITHM, es384))).toBe('CERTIFICATE_ALGORITHM')
    const both = replaceAt(change(ALGORITHM, withNull), TBS_ALGORITHM, () => withNull)
    expect(codeFor(both)).toBe('CERTIFICATE_ALGORITHM')
  })

  it('C4 without an issuer', () => {
    expect(codeFor(change(ISSUER, '3000'))).toBe('CERTIFICATE_NAME')
  })

  it('C5 with a time in the wrong form', () => {
    expect(codeFor(change(NOT_BEFORE, tlv(0x18, utf8('20260101000000Z'))))).toBe('CERTIFICATE_MALFORMED')
    expect(codeFor(change(NOT_BEFORE, tlv(0x17, utf8('2601010000Z'))))).toBe('CERTIFICATE_MALFORMED')
  })

  it('C5 when it ends before it begins', () => {
    expect(codeFor(change(NOT_BEFORE, tlv(0x17, utf8('491231235959Z'))))).toBe('CERTIFICATE_VALIDITY')
  })

  it('C6 without a subject and a critical subjectAltName', () => {
    const names = elementAt(good, [...EXTENSIONS, ALT_NAME, 2])
    const plain = sequence(oidElement('2.5.29.17'), names)
    expect(codeFor(change([...EXTENSIONS, ALT_NAME], plain))).toBe('CERTIFICATE_NAME')
    expect(codeFor(change([...EXTENSIONS, ALT_NAME], new Uint8Array()))).toBe('CERTIFICATE_NAME')
  })

  it('C6 when it is an authority without a subject', () => {
    expect(codeFor(withValue(BASIC_CONSTRAINTS, '30030101ff'))).toBe('CERTIFICATE_NAME')
  })

  it('C7 with unique identifiers', () => {
    expect(codeFor(change(SPKI, (old) => concat(old, hex('81020001'))))).toBe('CERTIFICATE_UNIQUE_ID')
    expect(codeFor(change(SPKI, (old) => concat(old, hex('82020001'))))).toBe('CERTIFICATE_UNIQUE_ID')
  })

  it('C8 with an extension twice, a known or an unknown one', () => {
    expect(codeFor(change([...EXTENSIONS, KEY_USAGE], (old) => concat(old, old)))).toBe(
      'CERTIFICATE_DUPLICATE_EXTENSION',
    )
    const unknown = extension('1.2.3', false, hex('0500'))
    expect(codeFor(change(EXTENSIONS, (list) => sequence(elementContents(list), unknown, unknown)))).toBe(
      'CERTIFICATE_DUPLICATE_EXTENSION',
    )
  })

  it('C8 with a default that is spelled out', () => {
    expect(codeFor(withValue(BASIC_CONSTRAINTS, '3003010100'))).toBe('CERTIFICATE_EXTENSION')
    expect(codeFor(change([...EXTENSIONS, KEY_USAGE, 1], '010100'))).toBe('CERTIFICATE_MALFORMED')
  })

  it('with more extensions than are accepted', () => {
    const many = Array.from({ length: 33 }, (_, index) => extension(`1.2.3.${String(index)}`, false, hex('0500')))
    expect(codeFor(change(EXTENSIONS, sequence(...many)))).toBe('CERTIFICATE_TOO_MANY_EXTENSIONS')
  })

  it.each([
    ['C11 a key usage without a bit', KEY_USAGE, '030100'],
    ['C11 a key usage of zeros', KEY_USAGE, '03020700'],
    ['C11 a key usage with a trailing zero bit', KEY_USAGE, '03020680'],
    ['C11 a key usage of ten bits', KEY_USAGE, '0303068040'],
    ['C11 a key usage of three octets', KEY_USAGE, '030400800001'],
    ['C12 a path length of 256', BASIC_CONSTRAINTS, '30070101ff02020100'],
    ['C12 a negative path length', BASIC_CONSTRAINTS, '30060101ff0201ff'],
    ['C12 basic constraints with more behind', BASIC_CONSTRAINTS, '30050101ff0500'],
    ['C13 no names', ALT_NAME, '3000'],
    ['C13 an address of five octets', ALT_NAME, '3007 8705 0102030405'],
    ['C13 a NUL in a DNS name', ALT_NAME, '3005 8203 610062'],
    ['C13 a Latin letter in a DNS name', ALT_NAME, '3003 8201 e9'],
    ['C13 a name of no kind', ALT_NAME, '3002 8900'],
    ['C13 names with bytes behind', ALT_NAME, '3003 820161 00'],
    ['C15 no purposes', EXT_KEY_USAGE, '3000'],
    ['C10 a key identifier of nothing', SUBJECT_KEY, '0400'],
    ['C9 an issuer without a serial number', AUTHORITY_KEY, '3002a100'],
    ['C9 things in the wrong order', AUTHORITY_KEY, '3006 82010180 0101'],
  ])('for an extension that holds %s', (_, index, value) => {
    expect(codeFor(withValue(index, value))).toBe('CERTIFICATE_EXTENSION')
  })

  it.each([
    ['nothing', '3000'],
    ['an empty list', '3002a000'],
    ['a minimum', '300d a00b 3009 820474657374 800101'],
    ['a maximum', '300d a00b 3009 820474657374 810101'],
    ['a DNS name that begins with a dot', '3009 a007 3005 82032e6162'],
    ['a URI that is not a host', '300b a009 3007 8605613a2f2f62'],
    ['an address without a mask', '300a a008 3006 8704 01020304'],
    ['a mask with a gap', '300e a00c 300a 8708 0a000000ff00ff00'],
  ])('C14 for name constraints that hold %s', (_, value) => {
    expect(codeFor(withExtension('2.5.29.30', value, true))).toBe('CERTIFICATE_EXTENSION')
  })

  it('for its key, which is judged last', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-521' })
    expect(codeFor(change(SPKI, spkiOf(privateKey)))).toBe('KEY_CURVE_UNSUPPORTED')
  })

  it('with an extension of 100 KiB, in less than a millisecond', () => {
    const der = change(EXTENSIONS, sequence(extension('1.2.3', false, new Uint8Array(100 * 1024))))
    const start = performance.now()
    for (let round = 0; round < 100; round++) expect(codeFor(der)).toBe('CERTIFICATE_TOO_LARGE')
    expect((performance.now() - start) / 100).toBeLessThan(1)
  })
})

describe('extensions in other forms than ours', () => {
  it('C16 C17 stay as they came when they are not represented', () => {
    const withReasons = '3010 300e a008 a006 8604613a2f62 81020780'
    expect(parseCertificate(withExtension('2.5.29.31', withReasons)).extensions.at(-1)?.kind).toBe('other')
    const twoPoints = '3018 300a a008 a006 8604613a2f62 300a a008 a006 8604613a2f62'
    expect(parseCertificate(withExtension('2.5.29.31', twoPoints)).extensions.at(-1)?.kind).toBe('other')
    const relative = '3006 3004 a002 a100'
    const pointer = parseCertificate(withExtension('2.5.29.31', relative)).extensions.at(-1)
    expect(pointer?.kind).toBe('other')
    const otherMethod = '300d 300b 06052b06010505 8602 6162'
    expect(parseCertificate(withExtension('1.3.6.1.5.5.7.1.1', otherMethod)).extensions.at(-1)?.kind).toBe('other')
  })

  it('C9 keep the issuer and serial number of the authority key', () => {
    const value = '300e 8001aa a1068204 61626364 820101'.replaceAll(' ', '')
    const length = ((value.length - 4) / 2).toString(16).padStart(2, '0')
    const read = parseCertificate(withValue(AUTHORITY_KEY, `30${length}${value.slice(4)}`))
    expect(read.extension('authorityKeyIdentifier')).toMatchObject({
      keyIdentifier: hex('aa'),
      issuerAndSerial: hex('a106820461626364820101'),
    })
  })
})

describe('names', () => {
  it('are written printable where they can be, else in UTF-8, and read back', () => {
    const name = encodeName({ organization: 'Écrit', commonName: 'Writ authority 1', serialNumber: 'A-1' })
    const texts = parseName(name).map(([attribute]) => [attribute?.oid, attribute?.text, attribute?.value[0]])
    expect(texts).toEqual([
      ['2.5.4.10', 'Écrit', 0x0c],
      ['2.5.4.3', 'Writ authority 1', 0x13],
      ['2.5.4.5', 'A-1', 0x13],
    ])
  })

  it.each([{ commonName: '' }, { commonName: 'x'.repeat(65) }, { serialNumber: 'é' }])(
    'are not made of %j',
    (parts) => {
      expect(codeOf(() => encodeName(parts))).toBe('TEMPLATE_INVALID')
    },
  )
})

describe('addresses', () => {
  it('C13 are read with 4 and 16 octets', () => {
    const names = [uri(LEAF_ID), ip(127, 0, 0, 1), ip(...new Array<number>(16).fill(1))]
    expect(root.leaf({ extensions: [altName(...names)] }).extension('subjectAltName')?.names).toEqual(names)
  })
})
