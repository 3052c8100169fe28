import { describe, expect, it } from 'vitest'
import { encodePkcs11Uri, parsePkcs11Uri } from '#adapters/keys/pkcs11/index.ts'
import { utf8 } from '#kernel/bytes.ts'
import { codeOf } from '../../../support/code-of.ts'

const parsing = (text: string) => codeOf(() => parsePkcs11Uri(text))

describe('a PKCS#11 URI', () => {
  it('names a token and a key in it (RFC 7512, section 3)', () => {
    expect(
      parsePkcs11Uri('pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;object=my-certificate;type=cert;id=%69%95'),
    ).toEqual({
      token: 'The Software PKCS#11 Softtoken',
      object: 'my-certificate',
      type: 'cert',
      id: Uint8Array.of(0x69, 0x95),
    })
    expect(parsePkcs11Uri('pkcs11:')).toEqual({})
  })

  it('has one spelling when we write it: escapes in capitals, every octet of the id escaped', () => {
    expect(encodePkcs11Uri({ id: utf8('ab'), object: 'a;b/ü', token: 'x y', type: 'private' })).toBe(
      'pkcs11:token=x%20y;object=a%3Bb%2F%C3%BC;id=%61%62;type=private',
    )
  })

  it('with a PIN is refused wherever the PIN stands, and the refusal does not repeat it', () => {
    for (const uri of [
      'pkcs11:token=a?pin-value=98765',
      'pkcs11:pin-value=98765',
      'pkcs11:token=a?x=1&pin-source=file:98765',
    ]) {
      expect(parsing(uri)).toBe('PKCS11_URI_PIN')
      try {
        parsePkcs11Uri(uri)
      } catch (error) {
        expect(JSON.stringify([error, String(error)])).not.toContain('98765')
      }
    }
  })

  it.each([
    'pkcs12:token=a',
    'PKCS11:token=a',
    'pkcs11:token',
    'pkcs11:token=a b',
    'pkcs11:token=a%2',
    'pkcs11:token=a%zz',
    'pkcs11:token=%ff',
    'pkcs11:token=a;',
    `pkcs11:object=${'a'.repeat(1024)}`,
  ])('is refused when malformed: %s', (uri) => {
    expect(parsing(uri)).toBe('PKCS11_URI_MALFORMED')
  })

  it.each([
    'pkcs11:token=a;token=b',
    'pkcs11:token=',
    'pkcs11:slot-id=1',
    'pkcs11:type=data',
    `pkcs11:token=${'a'.repeat(33)}`,
    'pkcs11:token=a?module-path=/lib/x.so',
  ])('is refused for an attribute: %s', (uri) => {
    expect(parsing(uri)).toBe('PKCS11_URI_ATTRIBUTE')
  })
})
