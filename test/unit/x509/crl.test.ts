import { describe, expect, it } from 'vitest'
import { fromHex, toHex, type Bytes } from '#kernel/bytes.ts'
import { after, DAY, HOUR, instant, type Instant } from '#kernel/instant.ts'
import {
  assembleCrl,
  Crl,
  createCrl,
  CrlEntry,
  encodeTbsCrl,
  encodeTbsCrlInSlices,
  LINES_AT_ONCE,
  parseCrl,
  parseCrlInSlices,
  REVOCATION_REASONS,
  verifyCrl,
  type CrlTemplate,
  type RevocationReason,
} from '#x509/index.ts'
import { codeOf } from '../../support/code-of.ts'
import { hex } from '../../support/der.ts'
import { newKeyPair, signWith, TestAuthority, X509_NOW } from '../../support/x509.ts'

const root = TestAuthority.root()
const { certificate } = root
const keyIdentifier = certificate.publicKey.keyIdentifier
const URI = 'http://status.example.org/crl/aut_1/0.crl'

function entry(serial: string, reason: RevocationReason = 'unspecified', revokedAt: Instant = X509_NOW): CrlEntry {
  return CrlEntry.of({ serial: fromHex(serial), revokedAt, reason })
}

function template(wishes: Partial<CrlTemplate> = {}): CrlTemplate {
  return {
    signatureAlgorithm: root.key.algorithm,
    issuer: certificate.subject,
    thisUpdate: X509_NOW,
    nextUpdate: after(X509_NOW, 30 * DAY),
    entries: [],
    authorityKeyIdentifier: keyIdentifier,
    number: 1n,
    ...wishes,
  }
}

function crlOf(wishes: Partial<CrlTemplate> = {}): Bytes {
  const tbs = encodeTbsCrl(template(wishes))
  return assembleCrl(tbs, root.key.algorithm, signWith(root.key, tbs))
}

/** The CRL with the first such piece of its encoding replaced by another of the same length. */
function altered(der: Bytes, from: string, to: string): Bytes {
  const text = toHex(der)
  expect(from.length).toBe(to.length)
  expect(text).toContain(from)
  return fromHex(text.replace(from, to))
}

describe('a CRL that was written', () => {
  it('reads back to what it was made from', () => {
    const scope = { distributionPoint: URI, only: 'userCertificates' } as const
    const number = 2n ** 159n - 1n
    const entries = [entry('11aa', 'keyCompromise'), entry('00ff', 'superseded'), entry('01')]
    const crl = parseCrl(crlOf({ scope, number, entries }))
    expect(crl.scope).toEqual(scope)
    expect(crl.number).toBe(number)
    expect(crl.thisUpdate).toBe(X509_NOW)
    expect(crl.nextUpdate).toBe(after(X509_NOW, 30 * DAY))
    expect(crl.issuer).toEqual(certificate.subject)
    expect(crl.authorityKeyIdentifier).toEqual(keyIdentifier)
    expect(crl.entries.map(({ serial, reason }) => [toHex(serial), reason])).toEqual([
      ['01', 'unspecified'],
      ['00ff', 'superseded'],
      ['11aa', 'keyCompromise'],
    ])
    expect(crl.find(fromHex('00ff'))?.reason).toBe('superseded')
    expect(crl.find(fromHex('00fe'))).toBeUndefined()
  })

  it('R2 has UTCTime through 2049 and GeneralizedTime from 2050', () => {
    const last = instant(Date.UTC(2049, 11, 31, 23, 59, 59))
    const der = crlOf({ thisUpdate: last, nextUpdate: after(last, DAY), entries: [entry('01', 'unspecified', last)] })
    const text = toHex(der)
    expect(text).toContain(toHex(Buffer.from('\x17\x0d491231235959Z', 'latin1')))
    expect(text).toContain(toHex(Buffer.from('\x18\x0f20500101235959Z', 'latin1')))
    expect(parseCrl(der).nextUpdate).toBe(after(last, DAY))
  })

  it('R3 has no list when nothing is revoked', () => {
    expect(parseCrl(crlOf()).entries).toEqual([])
    // After nextUpdate comes [0] at once.
    expect(toHex(encodeTbsCrl(template()))).toMatch(/170d[0-9a-f]{26}170d[0-9a-f]{26}a0/)
  })

  it('R6 names its distribution point with the very bytes of the certificates', () => {
    const der = crlOf({ scope: { distributionPoint: URI, only: undefined } })
    const name = `86${URI.length.toString(16)}${toHex(Buffer.from(URI))}`
    const fullName = `a0${(URI.length + 4).toString(16)}a0${(URI.length + 2).toString(16)}${name}`
    const leaf = root.leafDer({
      extensions: [{ kind: 'crlDistributionPoints', critical: false, uris: [URI] }],
    })
    expect(toHex(leaf)).toContain(fullName)
    // Critical, and the octet string around one sequence around the name.
    expect(toHex(der)).toMatch(new RegExp(`0603551d1c0101ff04..30..${fullName}`))
  })

  it('R9 says each reason by its number, and unspecified by saying nothing', () => {
    for (const [reason, number] of Object.entries(REVOCATION_REASONS)) {
      const text = toHex(entry('01', reason as RevocationReason).der)
      if (number === 0) expect(text).not.toContain('0603551d15')
      else expect(text).toContain(`0603551d1504030a01${number.toString(16).padStart(2, '0')}`)
    }
  })

  it('is the same whatever the order of its entries was', () => {
    const entries = ['7f', '0080', '01', '0100', '00ff'].map((serial) => entry(serial))
    const one = encodeTbsCrl(template({ entries }))
    expect(encodeTbsCrl(template({ entries: entries.toReversed() }))).toEqual(one)
    expect(
      Crl.parse(assembleCrl(one, 'ES256', new Uint8Array(0)), { maxBytes: 9999, maxEntries: 5 }).entries.map(
        ({ serial }) => toHex(serial),
      ),
    ).toEqual(['01', '7f', '0080', '00ff', '0100'])
  })

  it('is signed by a key that it is given', async () => {
    const der = await createCrl(template(), root.key.signer)
    verifyCrl(parseCrl(der), certificate)
    await expect(createCrl(template({ signatureAlgorithm: 'RS256' }), root.key.signer)).rejects.toMatchObject({
      code: 'TEMPLATE_INVALID',
    })
  })

  it('with a hundred thousand entries is written without another hundred thousand', () => {
    const entries = Array.from({ length: 100_000 }, (_, index) =>
      entry(`11${index.toString(16).padStart(8, '0')}`, 'keyCompromise'),
    )
    const start = performance.now()
    const tbs = encodeTbsCrl(template({ entries }))
    expect(performance.now() - start).toBeLessThan(2000)
    const crl = parseCrl(assembleCrl(tbs, 'ES256', new Uint8Array(8)))
    expect(crl.entries.length).toBe(100_000)
  })

  it('with more entries than a call has room for is made and read in slices, and is the same', async () => {
    const length = 150_000
    // Each differs from its neighbours in its first octets, and none is in its place.
    const entries = Array.from({ length }, (_, index) =>
      entry(`01${((index * 7919) % length).toString(16).padStart(6, '0')}`),
    )
    let pauses = 0
    const pause = (): Promise<void> => {
      pauses++
      return Promise.resolve()
    }
    const tbs = await encodeTbsCrlInSlices(template({ entries }), pause)
    const slices = length / LINES_AT_ONCE
    expect(pauses).toBeGreaterThan(3 * slices)
    expect(Buffer.compare(tbs, encodeTbsCrl(template({ entries: entries.toReversed() })))).toBe(0)
    pauses = 0
    const der = assembleCrl(tbs, 'ES256', new Uint8Array(8))
    const limits = { maxBytes: der.length, maxEntries: length }
    const crl = await parseCrlInSlices(der, limits, pause)
    expect(pauses).toBe(slices)
    const serials = crl.entries.map(({ serial }) => toHex(serial))
    expect(serials).toEqual(serials.toSorted())
    expect(serials.length).toBe(length)
    const first = entries[0] as CrlEntry
    for (const twice of [
      [first, ...entries],
      [...entries, first],
    ]) {
      await expect(encodeTbsCrlInSlices(template({ entries: twice }), pause)).rejects.toMatchObject({
        details: { part: 'entries' },
      })
    }
  })
})

describe('a CRL that is not made', () => {
  it.each<[string, Partial<CrlTemplate>, string]>([
    ['R1 without issuer', { issuer: hex('3000') }, 'issuer'],
    ['R2 that ends when it begins', { nextUpdate: X509_NOW }, 'nextUpdate'],
    ['R2 in the middle of a second', { thisUpdate: instant(X509_NOW + 1) }, ''],
    ['R4 with a negative number', { number: -1n }, 'number'],
    ['R4 with a number of 21 octets', { number: 2n ** 159n }, 'number'],
    ['R4 without key identifier', { authorityKeyIdentifier: new Uint8Array(0) }, 'authorityKeyIdentifier'],
    ['R6 with an empty scope', { scope: { distributionPoint: undefined, only: undefined } }, 'scope'],
    ['R10 with one serial number twice', { entries: [entry('01'), entry('02'), entry('01')] }, 'entries'],
    ['R10 with what is revoked later', { entries: [entry('01', 'superseded', after(X509_NOW, 1000))] }, 'revokedAt'],
  ])('is one %s', (_, wishes, part) => {
    const error = codeOf(() => encodeTbsCrl(template(wishes)))
    expect(error).toBe('TEMPLATE_INVALID')
    if (part === '') return
    expect(() => encodeTbsCrl(template(wishes))).toThrow(expect.objectContaining({ details: { part } }))
  })

  it.each(['', '00', '80', '0001', '11'.repeat(21)])('R10 has an entry of the serial number %j', (serial) => {
    expect(codeOf(() => entry(serial))).toBe('TEMPLATE_INVALID')
  })

  it('R10 has an entry of a time that no CRL can say', () => {
    expect(codeOf(() => entry('01', 'superseded', instant(X509_NOW + 5)))).toBe('TEMPLATE_INVALID')
  })
})

describe('a CRL that is read', () => {
  const withOne = crlOf({ entries: [entry('11223344', 'keyCompromise')] })
  const scoped = crlOf({ scope: { distributionPoint: URI, only: 'userCertificates' } })

  it.each<[string, Bytes, string]>([
    [
      'R1 of version 1',
      altered(crlOf(), '020101300a06082a8648ce3d040302', '020100300a06082a8648ce3d040302'),
      'CRL_VERSION',
    ],
    [
      'R1 with two algorithms',
      altered(crlOf(), '020101300a06082a8648ce3d040302', '020101300a06082a8648ce3d040303'),
      'CRL_ALGORITHM',
    ],
    [
      'R2 with a time in two ways',
      altered(crlOf(), toHex(Buffer.from('170d', 'hex')) + timeHex(X509_NOW), `180d${timeHex(X509_NOW)}`),
      'CRL_MALFORMED',
    ],
    ['R4 without a number', altered(crlOf(), '0603551d14', '0603551d13'), 'CRL_EXTENSION'],
    ['R4 with a negative number', altered(crlOf(), '0603551d140403020101', '0603551d1404030201ff'), 'CRL_EXTENSION'],
    ['R4 without key identifier', altered(crlOf(), '0603551d23', '0603551d24'), 'CRL_EXTENSION'],
    ['R5 that is a delta', altered(crlOf(), '0603551d14', '0603551d1b'), 'CRL_DELTA'],
    ['R6 with an unknown critical extension', altered(scoped, '0603551d1c0101ff', '0603551d400101ff'), 'CRL_EXTENSION'],
    ['R6 of authorities and users at once', altered(scoped, '8101ff', '8401ff'), 'CRL_EXTENSION'],
    ['R9 with a certificate on hold', altered(withOne, '0a0101', '0a0106'), 'CRL_ENTRY'],
    ['R9 with the reason that is none', altered(withOne, '0a0101', '0a0107'), 'CRL_ENTRY'],
    ['R9 with a removal', altered(withOne, '0a0101', '0a0108'), 'CRL_ENTRY'],
    ['R9 that says unspecified in words', altered(withOne, '0a0101', '0a0100'), 'CRL_ENTRY'],
    ['R10 with a negative serial number', altered(withOne, '020411223344', '020491223344'), 'CRL_ENTRY'],
    ['R10 with a padded serial number', altered(withOne, '020411223344', '020400223344'), 'CRL_MALFORMED'],
    ['cut off', withOne.subarray(0, withOne.length - 1), 'CRL_MALFORMED'],
    ['with a byte behind it', new Uint8Array([...withOne, 0]), 'CRL_MALFORMED'],
  ])('is refused %s', (_, der, code) => {
    expect(codeOf(() => parseCrl(der))).toBe(code)
  })

  it('R3 is refused with an empty list', () => {
    const tbs = encodeTbsCrl(template())
    const position = toHex(tbs).lastIndexOf('a0', toHex(tbs).indexOf('0603551d23')) / 2
    const body = [...tbs.subarray(lengthOctets(tbs), position), 0x30, 0, ...tbs.subarray(position)]
    const longer = sequenceOf(body)
    expect(codeOf(() => parseCrl(assembleCrl(longer, 'ES256', new Uint8Array(8))))).toBe('CRL_ENTRY')
  })

  it('R2 is refused without its end', () => {
    const tbs = toHex(encodeTbsCrl(template()))
    const end = `170d${timeHex(after(X509_NOW, 30 * DAY))}`
    const body = fromHex(tbs.slice(2 * lengthOctets(fromHex(tbs))).replace(end, ''))
    const shorter = sequenceOf(body)
    expect(codeOf(() => parseCrl(assembleCrl(shorter, 'ES256', new Uint8Array(8))))).toBe('CRL_TIME')
  })

  it('R2 is refused when it ends before it begins', () => {
    const der = altered(crlOf(), timeHex(after(X509_NOW, 30 * DAY)), timeHex(instant(X509_NOW - DAY)))
    expect(codeOf(() => parseCrl(der))).toBe('CRL_TIME')
  })

  it('is refused when it is larger than is accepted, or lists more', () => {
    expect(codeOf(() => parseCrl(withOne, { maxBytes: withOne.length - 1, maxEntries: 9 }))).toBe('CRL_TOO_LARGE')
    expect(codeOf(() => parseCrl(withOne, { maxBytes: withOne.length, maxEntries: 0 }))).toBe('CRL_TOO_LARGE')
  })
})

describe('the issuer of a CRL', () => {
  it('R11 is a certificate that may sign CRLs, of that name and key', () => {
    const crl = parseCrl(crlOf())
    verifyCrl(crl, certificate)
    const namesake = TestAuthority.root('Another root')
    expect(
      codeOf(() => {
        verifyCrl(crl, namesake.certificate)
      }),
    ).toBe('CRL_ISSUER')
  })

  it('signs every byte of it', () => {
    const der = crlOf({ entries: [entry('11223344')] })
    const moved = altered(der, '020411223344', '020411223345')
    expect(
      codeOf(() => {
        verifyCrl(parseCrl(moved), certificate)
      }),
    ).toBe('CRL_SIGNATURE_INVALID')
  })

  it('signs with an algorithm that is accepted', () => {
    const tbs = encodeTbsCrl(template({ signatureAlgorithm: 'RS256' }))
    const crl = parseCrl(assembleCrl(tbs, 'RS256', signWith(newKeyPair('RS256'), tbs)))
    expect(
      codeOf(() => {
        verifyCrl(crl, certificate)
      }),
    ).toBe('CRL_SIGNATURE_INVALID')
  })

  it('is gone by from its time to its end', () => {
    const crl = parseCrl(crlOf({ nextUpdate: after(X509_NOW, HOUR) }))
    const moments = [instant(X509_NOW - 1), X509_NOW, instant(X509_NOW + HOUR - 1), after(X509_NOW, HOUR)]
    expect(moments.map((moment) => crl.isCurrent(moment))).toEqual([false, true, true, false])
  })
})

function timeHex(moment: Instant): string {
  const digits = new Date(moment).toISOString().replace(/[-:T]/g, '').slice(2, 14)
  return toHex(Buffer.from(`${digits}Z`))
}

function sequenceOf(body: Iterable<number>): Bytes {
  const octets = [...body]
  return new Uint8Array([0x30, ...(octets.length < 0x80 ? [] : [0x81]), octets.length, ...octets])
}

/** Octets of the header of the outermost element. */
function lengthOctets(der: Bytes): number {
  return (der[1] ?? 0) < 0x80 ? 2 : 2 + ((der[1] ?? 0) & 0x7f)
}
