import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '#kernel/bytes.ts'
import { formatRenewalId, parseRenewalId } from '#wire/index.ts'
import { codeOf } from '../../support/code-of.ts'

describe('the name of a certificate in a request for renewal information', () => {
  it('A12 is read and written as the example of RFC 9773 section 4.1', () => {
    const id = {
      authorityKeyId: fromHex('69885b6b87464041e1b37b847bd0ae2cde01c8d4'),
      serial: fromHex('0087654321'),
    }
    expect(formatRenewalId(id)).toBe('aYhba4dGQEHhs3uEe9CuLN4ByNQ.AIdlQyE')
    const read = parseRenewalId('aYhba4dGQEHhs3uEe9CuLN4ByNQ.AIdlQyE')
    expect([read.authorityKeyId, read.serial].map(toHex)).toEqual([id.authorityKeyId, id.serial].map(toHex))
  })

  it.each([
    ['', 'nothing'],
    ['aYhba4dGQEHhs3uEe9CuLN4ByNQ', 'one half'],
    ['aYhba4dGQEHhs3uEe9CuLN4ByNQ.', 'no serial number'],
    ['.AIdlQyE', 'no key identifier'],
    ['aYhba4dGQEHhs3uEe9CuLN4ByNQ.AIdlQyE.AA', 'three parts'],
    ['aYhba4dGQEHhs3uEe9CuLN4ByNQ.AIdlQyE=', 'padding'],
    ['aYhba4dGQEHhs3uEe9CuLN4ByNQ.h2VDIQ', 'a negative serial number'],
    ['aYhba4dGQEHhs3uEe9CuLN4ByNQ.AABlQyE', 'a serial number with more zeros than it takes'],
    ['aYhba4dGQEHhs3uEe9CuLN4ByNQ.AA', 'the serial number zero'],
    [`aYhba4dGQEHhs3uEe9CuLN4ByNQ.${'A'.repeat(40)}`, 'a serial number that is too long'],
  ])('refuses %s: %s', (text) => {
    expect(codeOf(() => parseRenewalId(text))).toBe('RENEWAL_ID_MALFORMED')
  })

  it('what is written is read again, and whatever is sent is read or refused', () => {
    const octets = fc.uint8Array({ minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(octets, octets, (authorityKeyId, tail) => {
        const serial = Uint8Array.of(1, ...tail)
        expect(parseRenewalId(formatRenewalId({ authorityKeyId, serial })).serial).toEqual(serial)
      }),
    )
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(codeOf(() => parseRenewalId(text))).toMatch(/^RENEWAL_ID_MALFORMED$/)
      }),
    )
  })
})
