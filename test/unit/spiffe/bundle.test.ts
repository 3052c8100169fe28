import { generateKeyPairSync } from 'node:crypto'
import { toBase64 } from '#kernel/bytes.ts'
import type { JsonObject } from '#kernel/json.ts'
import {
  Bundle,
  decodeBundle,
  decodeBundleMap,
  encodeBundle,
  encodeTokenKeys,
  parsePublicJwk,
  TrustDomain,
  type BundleEntry,
  type PublicJwk,
} from '#spiffe/index.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/code-of.ts'
import { RFC8705_CERTIFICATE } from '../../vectors/rfc8705.ts'

const trustDomain = TrustDomain.parse('example.org')

function newKey(namedCurve = 'P-256'): PublicJwk {
  const jwk = generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' })
  const key = parsePublicJwk(jwk as JsonObject)
  if (key === undefined) throw new TypeError('the generated key is of no known kind')
  return key
}

const key = newKey()
const certificate = RFC8705_CERTIFICATE
const x509Entry: BundleEntry = { use: 'x509-svid', certificate }
const x5c = [toBase64(certificate)]
const jwk = (members: object): string => JSON.stringify({ keys: [{ ...key, ...members }] })

describe('encoding a bundle', () => {
  const bundle = new Bundle({
    trustDomain,
    entries: [x509Entry, { use: 'jwt-svid', kid: 'a', key }, { use: 'wit-svid', kid: 'b', key: newKey('P-384') }],
    sequence: 2n ** 64n - 1n,
    refreshHint: 60,
  })
  const document = JSON.parse(encodeBundle(bundle)) as { keys: Record<string, unknown>[] }

  it('B-1 B-9 writes a JWK Set with no parameter that is not defined', () => {
    expect(Object.keys(document).sort()).toEqual(['keys', 'spiffe_refresh_hint', 'spiffe_sequence'])
    expect(document.keys.map((entry) => Object.keys(entry).sort())).toEqual([
      ['crv', 'kty', 'use', 'x', 'x5c', 'y'],
      ['crv', 'kid', 'kty', 'use', 'x', 'y'],
      ['crv', 'kid', 'kty', 'use', 'x', 'y'],
    ])
  })

  it('X-14 writes one certificate in x5c and no kid', () => {
    expect(document.keys[0]).toMatchObject({ use: 'x509-svid', kty: 'EC', x5c })
    expect(document.keys[0]).not.toHaveProperty('kid')
  })

  it('J-11 writes use and kid on a token key', () => {
    expect(document.keys[1]).toMatchObject({ use: 'jwt-svid', kid: 'a' })
  })

  it('W-9 refuses one kid for two keys, whatever their use', () => {
    const entries: BundleEntry[] = [
      { use: 'jwt-svid', kid: 'a', key },
      { use: 'wit-svid', kid: 'a', key },
    ]
    expect(codeOf(() => new Bundle({ trustDomain, entries }))).toBe('BUNDLE_DUPLICATE_KID')
  })

  it('B-2 keeps all 64 bits of the sequence', () => {
    expect(encodeBundle(bundle)).toContain('"spiffe_sequence":18446744073709551615')
    expect(decodeBundle(trustDomain, encodeBundle(bundle)).sequence).toBe(2n ** 64n - 1n)
  })

  it('A-14 hands out keys of one use only', () => {
    const keys = JSON.parse(encodeTokenKeys(bundle, 'jwt-svid')) as { keys: { kid: string }[] }
    expect(keys.keys.map((entry) => entry.kid)).toEqual(['a'])
  })

  it('reads back what it wrote', () => {
    const decoded = decodeBundle(trustDomain, encodeBundle(bundle))
    expect(decoded.entries).toEqual(bundle.entries)
    expect(decoded.refreshHint).toBe(60)
    expect(decoded.tokenAuthority('wit-svid', 'b')).toBeDefined()
    expect(decoded.tokenAuthority('jwt-svid', 'b')).toBeUndefined()
  })

  it('refuses to publish what is no certificate', () => {
    const entries: BundleEntry[] = [{ use: 'x509-svid', certificate: new Uint8Array([0x30, 0]) }]
    expect(codeOf(() => encodeBundle(new Bundle({ trustDomain, entries })))).toBe('BUNDLE_MALFORMED')
  })
})

describe('decoding a bundle', () => {
  it('B-4 needs keys, which may be empty', () => {
    expect(codeOf(() => decodeBundle(trustDomain, '{}'))).toBe('BUNDLE_MALFORMED')
    expect(codeOf(() => decodeBundle(trustDomain, '{"keys":{}}'))).toBe('BUNDLE_MALFORMED')
    expect(codeOf(() => decodeBundle(trustDomain, '[]'))).toBe('BUNDLE_MALFORMED')
    expect(decodeBundle(trustDomain, '{"keys":[]}').entries).toEqual([])
  })

  it('B-5 an empty bundle trusts nothing', () => {
    const bundle = decodeBundle(trustDomain, '{"keys":[]}')
    expect(bundle.x509Authorities).toEqual([])
    expect(bundle.tokenAuthorities('jwt-svid')).toEqual([])
  })

  it.each([
    ['no use', { kid: 'a' }],
    ['an unknown use', { use: 'sig', kid: 'a' }],
    ['a use in other case', { use: 'JWT-SVID', kid: 'a' }],
    ['no kty', { use: 'jwt-svid', kid: 'a', kty: undefined }],
    ['an unknown kty', { use: 'jwt-svid', kid: 'a', kty: 'OKP' }],
    ['an unknown curve', { use: 'jwt-svid', kid: 'a', crv: 'secp256k1' }],
  ])('B-6 passes over a key with %s', (_name, members) => {
    expect(decodeBundle(trustDomain, jwk(members)).entries).toEqual([])
  })

  it('X-15 passes over a certificate entry without certificate, and takes the first of several', () => {
    expect(decodeBundle(trustDomain, jwk({ use: 'x509-svid' })).entries).toEqual([])
    expect(decodeBundle(trustDomain, jwk({ use: 'x509-svid', x5c: [] })).entries).toEqual([])
    const several = decodeBundle(trustDomain, jwk({ use: 'x509-svid', x5c: [...x5c, 'AAAA'] }))
    expect(several.x509Authorities).toEqual([certificate])
  })

  it('J-12 takes only jwt-svid keys as such, and passes over one without kid', () => {
    expect(decodeBundle(trustDomain, jwk({ use: 'jwt-svid' })).entries).toEqual([])
    const wit = decodeBundle(trustDomain, jwk({ use: 'wit-svid', kid: 'w' }))
    expect(wit.tokenAuthorities('jwt-svid')).toEqual([])
    expect(wit.tokenAuthorities('wit-svid')).toHaveLength(1)
  })

  it.each([
    ['private member', { use: 'jwt-svid', kid: 'a', d: 'AA' }, 'JWK_NOT_PUBLIC'],
    ['short coordinate', { use: 'jwt-svid', kid: 'a', x: 'AA' }, 'JWK_MALFORMED'],
    ['padding', { use: 'jwt-svid', kid: 'a', x: `${'A'.repeat(43)}=` }, 'JWK_MALFORMED'],
    ['kid that is no string', { use: 'jwt-svid', kid: 7 }, 'BUNDLE_MALFORMED'],
    ['certificate that is no base64', { use: 'x509-svid', x5c: ['%%'] }, 'BUNDLE_MALFORMED'],
    ['x5c that is no list', { use: 'x509-svid', x5c: 'AAAA' }, 'BUNDLE_MALFORMED'],
  ])('refuses a key with a %s', (_name, members, code) => {
    expect(codeOf(() => decodeBundle(trustDomain, jwk(members)))).toBe(code)
  })

  it.each(['"5"', '-1', '1.5', '1e3', '18446744073709551616', 'null', '[1]'])('B-2 refuses the sequence %s', (text) => {
    expect(codeOf(() => decodeBundle(trustDomain, `{"keys":[],"spiffe_sequence":${text}}`))).toBe('BUNDLE_MALFORMED')
  })

  it.each(['"5"', '-1', '1.5', 'null'])('B-3 refuses the refresh hint %s', (text) => {
    const document = `{"keys":[],"spiffe_refresh_hint":${text}}`
    expect(codeOf(() => decodeBundle(trustDomain, document))).toBe('BUNDLE_MALFORMED')
  })

  it('refuses duplicate members, depth and size with codes of their own', () => {
    expect(codeOf(() => decodeBundle(trustDomain, '{"keys":[],"keys":[]}'))).toBe('JSON_DUPLICATE_KEY')
    expect(codeOf(() => decodeBundle(trustDomain, `{"keys":[${'['.repeat(9)}`))).toBe('JSON_TOO_DEEP')
    expect(codeOf(() => decodeBundle(trustDomain, ' '.repeat(1024 * 1024 + 1)))).toBe('JSON_TOO_LARGE')
    const many = `{"keys":[${Array.from({ length: 1001 }, () => '{}').join(',')}]}`
    expect(codeOf(() => decodeBundle(trustDomain, many))).toBe('BUNDLE_TOO_MANY_KEYS')
  })

  it('never throws an error without a code', () => {
    const member = fc.constantFrom('keys', 'use', 'kty', 'crv', 'x', 'y', 'n', 'e', 'x5c', 'kid', 'spiffe_sequence')
    const word = fc.constantFrom('EC', 'RSA', 'P-256', 'x509-svid', 'jwt-svid', 'AAAA', '')
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        word,
        fc.integer(),
        fc.constant(null),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(member, tie('tree'), { maxKeys: 5 }),
      ),
    }))
    fc.assert(
      fc.property(fc.dictionary(member, tree), (document) => {
        expect(codeOf(() => decodeBundle(trustDomain, JSON.stringify(document)))).not.toBe('NOT_OURS')
      }),
      { numRuns: 500 },
    )
  })
})

describe('decoding a bundle map', () => {
  const bundle = encodeBundle(new Bundle({ trustDomain, entries: [x509Entry], sequence: 3n, refreshHint: 5 }))

  it('B-8 reads every bundle under its name and ignores the hints inside', () => {
    const map = decodeBundleMap(`{"trust_domains":{"example.org":${bundle},"other.test":{"keys":[]}}}`)
    expect([...map.keys()]).toEqual(['example.org', 'other.test'])
    expect(map.get('example.org')).toMatchObject({ sequence: 3n, refreshHint: undefined })
    expect(map.get('example.org')?.trustDomain.name).toBe('example.org')
  })

  it('B-8 refuses a name that comes twice, and is loaded whole or not at all', () => {
    expect(codeOf(() => decodeBundleMap(`{"trust_domains":{"a":${bundle},"a":${bundle}}}`))).toBe('JSON_DUPLICATE_KEY')
    expect(codeOf(() => decodeBundleMap(`{"trust_domains":{"a":${bundle},"b":{}}}`))).toBe('BUNDLE_MALFORMED')
    expect(codeOf(() => decodeBundleMap(`{"trust_domains":{"A":${bundle}}}`))).toBe('TRUST_DOMAIN_CHARACTER')
    expect(codeOf(() => decodeBundleMap(bundle))).toBe('BUNDLE_MAP_MALFORMED')
    expect(codeOf(() => decodeBundleMap('{"trust_domains":{"a":[]}}'))).toBe('BUNDLE_MAP_MALFORMED')
  })
})

describe('a public JWK', () => {
  const rsa = (bits: number, publicExponent = 0x10001): JsonObject =>
    generateKeyPairSync('rsa', { modulusLength: bits, publicExponent }).publicKey.export({
      format: 'jwk',
    }) as JsonObject

  it('takes RSA of 2048 bits and refuses one of 1024', () => {
    expect(parsePublicJwk(rsa(2048))).toMatchObject({ kty: 'RSA', e: 'AQAB' })
    expect(codeOf(() => parsePublicJwk(rsa(1024)))).toBe('JWK_SIZE')
  })

  it('refuses a modulus with a leading zero, a huge one, and an exponent of one', () => {
    const modulus = (bytes: number, first: number): string =>
      Buffer.concat([Buffer.from([first]), Buffer.alloc(bytes - 1, 0xff)]).toString('base64url')
    expect(codeOf(() => parsePublicJwk({ kty: 'RSA', n: modulus(257, 0), e: 'AQAB' }))).toBe('JWK_MALFORMED')
    expect(codeOf(() => parsePublicJwk({ kty: 'RSA', n: modulus(1025, 1), e: 'AQAB' }))).toBe('JWK_SIZE')
    expect(codeOf(() => parsePublicJwk({ kty: 'RSA', n: modulus(256, 255), e: 'AQ' }))).toBe('JWK_SIZE')
    expect(codeOf(() => parsePublicJwk({ kty: 'RSA', n: modulus(256, 255), e: 'AQAAAAE' }))).toBe('JWK_SIZE')
  })
})
