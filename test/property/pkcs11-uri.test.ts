import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodePkcs11Uri, parsePkcs11Uri, type Pkcs11Uri } from '#adapters/keys/pkcs11/index.ts'
import { isWritError } from '#kernel/errors.ts'

const text = (octets: number) =>
  fc
    .string({ unit: 'binary', minLength: 1, maxLength: octets })
    .filter((value) => Buffer.byteLength(value) <= octets && value.isWellFormed())

const uris = fc.record(
  {
    token: text(32),
    manufacturer: text(32),
    serial: text(16),
    model: text(16),
    object: text(60),
    id: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    type: fc.constantFrom('private', 'public', 'cert'),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Pkcs11Uri>

describe('a PKCS#11 URI', () => {
  it('is read as what was written', () => {
    fc.assert(
      fc.property(uris, (uri) => {
        expect(parsePkcs11Uri(encodePkcs11Uri(uri))).toEqual(uri)
      }),
    )
  })

  it('that is read is written in one way, which reads the same', () => {
    const parts = fc.constantFrom(
      'token=',
      'object=',
      'id=',
      'type=',
      'private',
      'a',
      '%41',
      '%c3%bc',
      ';',
      ';object=b',
      '%',
      '?',
      '=',
      '&',
      '\u0000',
    )
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 8 }), (some) => {
        let uri: Pkcs11Uri
        try {
          uri = parsePkcs11Uri(`pkcs11:${some.join('')}`)
        } catch (error) {
          expect(isWritError(error, 'PKCS11_URI_MALFORMED', 'PKCS11_URI_ATTRIBUTE', 'PKCS11_URI_PIN')).toBe(true)
          return
        }
        const written = encodePkcs11Uri(uri)
        expect(parsePkcs11Uri(written)).toEqual(uri)
        expect(encodePkcs11Uri(parsePkcs11Uri(written))).toBe(written)
      }),
      { numRuns: 1000 },
    )
  })
})
