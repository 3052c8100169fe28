import { generateKeyPairSync, sign, verify } from 'node:crypto'
import {
  decodeJwks,
  derToJose,
  encodeJwks,
  importJwk,
  joseToDer,
  jwkFromSpki,
  KeySet,
  PreparedHeader,
  signCompact,
  spkiFromJwk,
  thumbprint,
  VerificationKey,
} from '#jwt/index.ts'
import { Bundle, TrustDomain } from '#spiffe/index.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf, codeOfAsync } from '../../support/code-of.ts'
import { newTestKey } from '../../support/keys.ts'
import { RFC7638 } from '../../vectors/jose.ts'

const ec = newTestKey()
const rsa = newTestKey('RS256')

describe('a thumbprint', () => {
  it('is that of RFC 7638 section 3.1', () => {
    expect(thumbprint(RFC7638.key)).toBe(RFC7638.thumbprint)
  })

  it('does not depend on the order of members, nor on others', () => {
    const { kty, crv, x, y } = ec.jwk as { kty: 'EC'; crv: 'P-256'; x: string; y: string }
    expect(thumbprint({ y, x, crv, kty })).toBe(ec.kid)
  })
})

describe('a key', () => {
  it.each(['ES256', 'ES384', 'RS256'] as const)('goes from SubjectPublicKeyInfo to JWK and back: %s', (algorithm) => {
    const { signer } = newTestKey(algorithm)
    expect(spkiFromJwk(jwkFromSpki(signer.publicKey))).toEqual(signer.publicKey)
  })

  it('is refused when its point is not on the curve', () => {
    const off = { ...ec.jwk, x: Buffer.alloc(32, 1).toString('base64url') } as typeof ec.jwk
    expect(codeOf(() => importJwk(off))).toBe('JWT_KEY_UNSUPPORTED')
  })

  it('is refused when it is of another kind, or none', () => {
    const ed = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' })
    expect(codeOf(() => jwkFromSpki(new Uint8Array(ed)))).toBe('JWT_KEY_UNSUPPORTED')
    expect(codeOf(() => jwkFromSpki(new Uint8Array(40)))).toBe('JWT_KEY_UNSUPPORTED')
    expect(codeOf(() => jwkFromSpki(new Uint8Array()))).toBe('JWT_KEY_UNSUPPORTED')
  })

  it('allows the algorithms that fit it, or the one that it declares', () => {
    expect(new VerificationKey('a', ec.jwk).algorithms).toEqual(['ES256'])
    expect(new VerificationKey('a', rsa.jwk).algorithms).toEqual(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'])
    expect(new VerificationKey('a', rsa.jwk, 'PS256').algorithms).toEqual(['PS256'])
    expect(codeOf(() => new VerificationKey('a', ec.jwk, 'RS256'))).toBe('JWT_KEY_UNSUPPORTED')
    expect(codeOf(() => new VerificationKey('a', ec.jwk, 'ES384'))).toBe('JWT_KEY_UNSUPPORTED')
  })
})

describe('an ECDSA signature', () => {
  it('goes from DER to r and s and back, and node agrees', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.constantFrom(32 as const, 48 as const, 66 as const),
        (message, size) => {
          const namedCurve = { 32: 'P-256', 48: 'P-384', 66: 'P-521' }[size]
          const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
          const der = new Uint8Array(sign('sha256', message, privateKey))
          const jose = derToJose(der, size)
          expect(jose).toHaveLength(2 * size)
          expect(joseToDer(jose, size)).toEqual(der)
          expect(verify('sha256', message, { key: publicKey, dsaEncoding: 'ieee-p1363' }, jose)).toBe(true)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('of any r and s survives the way through DER', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (jose) => {
        expect(derToJose(joseToDer(jose, 32), 32)).toEqual(jose)
      }),
    )
  })

  it.each([
    ['nothing', ''],
    ['another tag', '3106020101020101'],
    ['a length that lies', '3007020101020101'],
    ['a long length for a short body', '308106020101020101'],
    ['trailing bytes', '300702010102010100'],
    ['one integer', '3003020101'],
    ['a negative integer', '3006020180020101'],
    ['an empty integer', '300502000201ff'],
    ['a padded integer', '30070202000102010101'],
    ['an integer beyond the end', '3006020102020201'],
    ['an integer that is too large', `302602210${'1'.repeat(65)}020101`],
  ])('is refused as DER with %s', (_name, hex) => {
    expect(codeOf(() => derToJose(new Uint8Array(Buffer.from(hex, 'hex')), 32))).toBe('JWT_SIGNATURE_FORM')
  })

  it('is never read outside its bytes, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(['ACCEPTED', 'JWT_SIGNATURE_FORM']).toContain(codeOf(() => derToJose(bytes, 32)))
      }),
    )
    expect(codeOf(() => joseToDer(new Uint8Array(63), 32))).toBe('JWT_SIGNATURE_FORM')
  })
})

describe('signing', () => {
  it('refuses an algorithm that the kind does not allow, and a signer of another', async () => {
    expect(codeOf(() => new PreparedHeader('dpop-proof', 'ES256', ec.kid))).toBe('ACCEPTED')
    const header = new PreparedHeader('task-token', 'ES256', ec.kid)
    expect(await codeOfAsync(() => signCompact(header, {}, rsa.signer))).toBe('JWT_ALGORITHM_NOT_ALLOWED')
  })

  it('refuses what a broken key returns', async () => {
    const header = new PreparedHeader('task-token', 'ES256', ec.kid)
    const broken = { ...ec.signer, sign: () => Promise.resolve(new Uint8Array(8)) }
    expect(await codeOfAsync(() => signCompact(header, {}, broken))).toBe('JWT_SIGNATURE_FORM')
  })

  it('AT-1 J-3 writes alg, typ and kid and nothing else', async () => {
    const token = await signCompact(new PreparedHeader('task-token', 'ES256', ec.kid), {}, ec.signer)
    const header: unknown = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())
    expect(header).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: ec.kid })
  })
})

describe('a JWK Set', () => {
  const member = (changes: object): string =>
    JSON.stringify({ keys: [{ ...ec.jwk, kid: 'a', alg: 'ES256', use: 'sig', ...changes }] })

  it('reads back what it wrote', () => {
    const set = decodeJwks(JSON.stringify(encodeJwks([ec.verificationKey, rsa.verificationKey])))
    expect(set.keys().map(({ kid, jwk, algorithms }) => ({ kid, jwk, algorithms }))).toEqual([
      { kid: ec.kid, jwk: ec.jwk, algorithms: ['ES256'] },
      { kid: rsa.kid, jwk: rsa.jwk, algorithms: ['RS256'] },
    ])
  })

  it.each([
    ['without kid', { kid: undefined }],
    ['with an empty kid', { kid: '' }],
    ['for encryption', { use: 'enc' }],
    ['of a SPIFFE use', { use: 'jwt-svid' }],
    ['for signing only', { key_ops: ['sign'] }],
    ['for an unknown algorithm', { alg: 'ES256K' }],
    ['for a symmetric algorithm', { alg: 'HS256' }],
    ['of an unknown kind', { kty: 'OKP' }],
  ])('passes over a key %s', (_name, changes) => {
    expect(decodeJwks(member(changes)).keys()).toEqual([])
  })

  it.each([
    ['a private member', { d: 'AA' }, 'JWK_NOT_PUBLIC'],
    ['a symmetric key that says EC', { k: 'AA' }, 'JWK_NOT_PUBLIC'],
    ['a short coordinate', { y: 'AA' }, 'JWK_MALFORMED'],
    ['an algorithm of another kind of key', { alg: 'RS256' }, 'JWT_KEY_UNSUPPORTED'],
  ])('refuses %s', (_name, changes, code) => {
    expect(codeOf(() => decodeJwks(member(changes)))).toBe(code)
  })

  it('refuses a kid that comes twice, what is no set, and a set that is too large', () => {
    const one = { ...ec.jwk, kid: 'a' }
    expect(codeOf(() => decodeJwks(JSON.stringify({ keys: [one, one] })))).toBe('JWKS_DUPLICATE_KID')
    expect(codeOf(() => decodeJwks('{}'))).toBe('JWKS_MALFORMED')
    expect(codeOf(() => decodeJwks('{"keys":[7]}'))).toBe('JWKS_MALFORMED')
    const many = { keys: Array.from({ length: 101 }, () => ({})) }
    expect(codeOf(() => decodeJwks(JSON.stringify(many)))).toBe('JWKS_MALFORMED')
    expect(codeOf(() => decodeJwks(' '.repeat(256 * 1024 + 1)))).toBe('JSON_TOO_LARGE')
  })

  it('J-12 of a bundle holds the keys of one use only', () => {
    const bundle = new Bundle({
      trustDomain: TrustDomain.parse('example.org'),
      entries: [
        { use: 'jwt-svid', kid: 'j', key: ec.jwk },
        { use: 'wit-svid', kid: 'w', key: rsa.jwk },
      ],
    })
    expect(
      KeySet.fromBundle(bundle, 'jwt-svid')
        .keys()
        .map((key) => key.kid),
    ).toEqual(['j'])
    expect(KeySet.fromBundle(bundle, 'wit-svid').find('j')).toBeUndefined()
  })
})
