import { describe, expect, it } from 'vitest'
import { instant } from '#kernel/instant.ts'
import { DerReader } from '#x509/der/reader.ts'
import { decodeOid, encodeOid } from '#x509/der/oid.ts'
import { readTime } from '#x509/der/time.ts'
import { checkWellFormed } from '#x509/der/well-formed.ts'
import { DerWriter } from '#x509/der/writer.ts'
import { tlv, unsignedElement } from '#x509/der/build.ts'
import { utf8 } from '#kernel/bytes.ts'
import { codeOf } from '../../support/code-of.ts'
import { hex } from '../../support/der.ts'

const reader = (text: string) => DerReader.of(hex(text))

describe('the DER reader', () => {
  it('returns views of its input and no copies', () => {
    const input = hex('0403 0a0b0c')
    const octets = DerReader.of(input).octetString()
    expect(octets.buffer).toBe(input.buffer)
    expect(octets.byteOffset).toBe(2)
  })

  it('reads an element whole, for what a signature covers', () => {
    const cursor = reader('3005 3003 020101')
    expect(cursor.enter(0x30).element(0x30)).toEqual(hex('3003 020101'))
  })

  it.each([
    ['an indefinite length', '3080 020101 0000', 'DER_INDEFINITE_LENGTH'],
    ['a long form for a short length', '308103 020101', 'DER_LENGTH'],
    ['a leading zero in a length', '30820003 020101', 'DER_LENGTH'],
    ['a leading zero in a length that needs the long form', `30820080${'00'.repeat(128)}`, 'DER_LENGTH'],
    ['a length of five octets', '30850000000003 020101', 'DER_LENGTH'],
    ['the reserved length FF', '30ff', 'DER_LENGTH'],
    ['contents that are not all there', '3004 020101', 'DER_TRUNCATED'],
    ['nothing at all', '', 'DER_TRUNCATED'],
    ['a tag without a length', '30', 'DER_TRUNCATED'],
    ['a high tag number', '3f8101 00', 'DER_TAG'],
    ['another tag', '3103 020101', 'DER_TAG'],
  ])('refuses %s', (_, input, code) => {
    expect(codeOf(() => reader(input).enter(0x30))).toBe(code)
  })

  it('refuses the end-of-contents tag, even where any tag may stand', () => {
    expect(codeOf(() => reader('0000').element())).toBe('DER_TAG')
  })

  it('refuses bytes after the end', () => {
    const cursor = reader('0500 00')
    cursor.null()
    expect(
      codeOf(() => {
        cursor.finish()
      }),
    ).toBe('DER_TRAILING_BYTES')
  })

  it('does not read past the level that it is in', () => {
    const inner = reader('3003 0203 01 0101').enter(0x30)
    expect(codeOf(() => inner.integer())).toBe('DER_TRUNCATED')
  })

  it('enters only as many levels as it may', () => {
    const cursor = DerReader.of(hex('3004 3002 3000'), { maxDepth: 2 })
    const second = cursor.enter(0x30).enter(0x30)
    expect(codeOf(() => second.enter(0x30))).toBe('DER_TOO_DEEP')
  })

  it.each([
    ['an empty INTEGER', '0200'],
    ['a padded positive INTEGER', '02020001'],
    ['a padded negative INTEGER', '0202ff80'],
  ])('refuses %s', (_, input) => {
    expect(codeOf(() => reader(input).integer())).toBe('DER_INTEGER')
  })

  it('reads magnitudes without their sign octet and refuses negative ones', () => {
    expect(reader('0202 0080').unsigned()).toEqual(hex('80'))
    expect(reader('0201 00').unsigned()).toEqual(hex('00'))
    expect(codeOf(() => reader('0201 80').unsigned())).toBe('DER_INTEGER')
  })

  it('bounds small integers', () => {
    expect(reader('0201 7f').smallInteger(127)).toBe(127)
    expect(codeOf(() => reader('0202 0080').smallInteger(127))).toBe('DER_INTEGER')
    expect(codeOf(() => reader('0208 0100000000000000').smallInteger(Number.MAX_SAFE_INTEGER))).toBe('DER_INTEGER')
  })

  it('refuses the many truths of BER', () => {
    expect(reader('0101 ff').boolean()).toBe(true)
    expect(codeOf(() => reader('0101 01').boolean())).toBe('DER_BOOLEAN')
    expect(codeOf(() => reader('0102 ffff').boolean())).toBe('DER_BOOLEAN')
  })

  it('refuses a default that is spelled out', () => {
    expect(reader('0201 01').defaultFalse()).toBe(false)
    expect(reader('0101 ff').defaultFalse()).toBe(true)
    expect(codeOf(() => reader('0101 00').defaultFalse())).toBe('DER_BOOLEAN')
  })

  it.each([
    ['without its first octet', '0300'],
    ['with eight unused bits', '0302 0800'],
    ['with unused bits and no octets', '0301 01'],
    ['whose unused bits are set', '0302 0181'],
  ])('refuses a BIT STRING %s', (_, input) => {
    expect(codeOf(() => reader(input).bitString())).toBe('DER_BIT_STRING')
  })

  it('refuses a key or signature that is not of whole octets', () => {
    expect(codeOf(() => reader('0302 0180').octetBits())).toBe('DER_BIT_STRING')
  })

  it('refuses a NULL with contents', () => {
    expect(
      codeOf(() => {
        reader('0501 00').null()
      }),
    ).toBe('DER_LENGTH')
  })

  it('reads high tag numbers when asked, in their one form', () => {
    const high = (text: string) => DerReader.of(hex(text), { highTags: true })
    expect(high('bf8148 0401020304').content(200 * 256 + 0xbf)).toEqual(hex('01020304'))
    expect(codeOf(() => high('bf1e 00').element())).toBe('DER_TAG')
    expect(codeOf(() => high('bf8048 00').element())).toBe('DER_TAG')
    expect(codeOf(() => high('bfffffffffffff7f 00').element())).toBe('DER_TAG')
  })
})

describe('object identifiers', () => {
  it.each([
    ['2a864886f70d010101', '1.2.840.113549.1.1.1'],
    ['551d13', '2.5.29.19'],
    ['8837', '2.999'],
    ['00', '0.0'],
    ['4f', '1.39'],
    ['50', '2.0'],
    ['69828bdd96b4a1db9f98e2a0f1e4c3d9a8b703', '2.25.3469129381934871926364391811028326787'],
  ])('%s is %s, both ways', (encoded, text) => {
    if (text.startsWith('2.25')) {
      expect(encodeOid(decodeOid(hex(encoded)))).toEqual(hex(encoded))
      return
    }
    expect(decodeOid(hex(encoded))).toBe(text)
    expect(encodeOid(text)).toEqual(hex(encoded))
  })

  it('keeps arcs apart that are one as floating-point numbers', () => {
    const one = decodeOid(encodeOid('2.25.9007199254740993'))
    expect(one).toBe('2.25.9007199254740993')
  })

  it.each([
    ['empty', ''],
    ['an arc that does not end', '2a86'],
    ['a padded arc', '2a8001'],
    ['a padded large arc', `2a80${'ff'.repeat(9)}7f`],
    ['65 octets', `2a${'01'.repeat(64)}`],
  ])('refuses %s', (_, input) => {
    expect(codeOf(() => decodeOid(hex(input)))).toBe('DER_OID')
  })

  it.each(['1', '3.1', '1.40', '1..2', '1.02', '1.2.', 'a.b'])('does not encode %s', (text) => {
    expect(codeOf(() => encodeOid(text))).toBe('DER_OID')
  })
})

const time = (tag: number, text: string) => readTime(DerReader.of(tlv(tag, utf8(text))))

describe('times', () => {
  it.each([
    [0x17, '491231235959Z', '2049-12-31T23:59:59.000Z'],
    [0x17, '700101000000Z', '1970-01-01T00:00:00.000Z'],
    [0x18, '20500101000000Z', '2050-01-01T00:00:00.000Z'],
    [0x18, '99991231235959Z', '9999-12-31T23:59:59.000Z'],
    [0x17, '240229120000Z', '2024-02-29T12:00:00.000Z'],
  ])('C5 reads and writes %i %s', (tag, text, expected) => {
    const moment = time(tag, text)
    expect(new Date(moment).toISOString()).toBe(expected)
    const writer = new DerWriter()
    writer.time(moment)
    expect(writer.finish()).toEqual(tlv(tag, utf8(text)))
  })

  it.each([
    ['UTCTime without seconds', 0x17, '2601010000Z'],
    ['an offset', 0x17, '260101000000+0000'],
    ['GeneralizedTime before 2050', 0x18, '20260101000000Z'],
    ['fractions of a second', 0x18, '20500101000000.5Z'],
    ['no zone', 0x17, '260101000000'],
    ['30 February', 0x17, '260230000000Z'],
    ['hour 24', 0x17, '260101240000Z'],
    ['second 60', 0x17, '260101000060Z'],
    ['month 13', 0x17, '261301000000Z'],
    ['month 0', 0x17, '260001000000Z'],
    ['letters', 0x17, '26o101000000Z'],
    ['1969', 0x17, '691231235959Z'],
  ])('C5 refuses %s', (_, tag, text) => {
    expect(codeOf(() => time(tag, text))).toBe('DER_TIME')
  })

  it('C5 does not write fractions of a second', () => {
    expect(
      codeOf(() => {
        new DerWriter().time(instant(1500))
      }),
    ).toBe('DER_TIME')
  })
})

describe('the DER writer', () => {
  it.each([0, 1, 127, 128, 255, 256, 65_535, 65_536])('writes a length of %i in its shortest form', (length) => {
    const writer = new DerWriter()
    writer.element(0x04, new Uint8Array(length))
    const encoded = writer.finish()
    expect(encoded).toEqual(tlv(0x04, new Uint8Array(length)))
    expect(DerReader.of(encoded).octetString().length).toBe(length)
  })

  it.each([0, 1, 127, 128, 255, 256, 2 ** 32, Number.MAX_SAFE_INTEGER])(
    'writes the number %i so that it reads back',
    (value) => {
      const writer = new DerWriter()
      writer.number(value)
      expect(DerReader.of(writer.finish()).smallInteger(Number.MAX_SAFE_INTEGER)).toBe(value)
    },
  )

  it('writes no text that is not ASCII', () => {
    expect(
      codeOf(() => {
        new DerWriter().text(0x16, 'é')
      }),
    ).toBe('DER_STRING')
  })

  it('writes magnitudes as shortest INTEGERs', () => {
    expect(unsignedElement(hex('000080'))).toEqual(hex('0202 0080'))
    expect(unsignedElement(hex('0000'))).toEqual(hex('0201 00'))
    expect(unsignedElement(hex('7f'))).toEqual(hex('0201 7f'))
  })
})

describe('the walk over parts that are ignored', () => {
  it.each([
    ['a primitive SEQUENCE', '1000', 'DER_TAG'],
    ['a constructed OCTET STRING', '2403 040100', 'DER_TAG'],
    ['a BER truth inside', '3003 010101', 'DER_BOOLEAN'],
    ['a padded INTEGER inside', '3004 02020001', 'DER_INTEGER'],
    [
      'seventeen levels',
      '3020 301e 301c 301a 3018 3016 3014 3012 3010 300e 300c 300a 3008 3006 3004 3002 3000',
      'DER_TOO_DEEP',
    ],
  ])('refuses %s', (_, input, code) => {
    expect(
      codeOf(() => {
        checkWellFormed(hex(input))
      }),
    ).toBe(code)
  })
})
