import { createHmac } from 'node:crypto'
import { fromBase64Url, utf8 } from '#kernel/bytes.ts'
import {
  KeySet,
  parseCompact,
  TOKEN_KINDS,
  VerificationKey,
  VerifiedToken,
  type TokenKind,
  type UnverifiedToken,
} from '#jwt/index.ts'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/code-of.ts'
import { newTestKey } from '../../support/keys.ts'
import { rawToken } from '../../support/tokens.ts'
import { RFC7515_A3 } from '../../vectors/jose.ts'

const key = newTestKey()
const keys = new KeySet([key.verificationKey])
const header = { alg: 'ES256', typ: 'at+jwt', kid: key.kid }
const parse = (text: string, kind: TokenKind = 'task-token'): string => codeOf(() => parseCompact(text, kind))
const withHeader = (changes: object): string => parse(rawToken({ ...header, ...changes }, {}, key))
const part = (text: string): string => Buffer.from(text).toString('base64url')

describe('the compact form', () => {
  it('verifies the example of RFC 7515 appendix A.3', () => {
    // The example has neither typ nor kid, so no kind of ours takes it as a whole.
    const [head = '', payload = '', signature = ''] = RFC7515_A3.token.split('.')
    const named: UnverifiedToken = {
      length: RFC7515_A3.token.length,
      kind: 'task-token',
      header: { alg: 'ES256', kid: 'a', jwk: undefined },
      claims: { iss: 'joe' },
      signingInput: utf8(`${head}.${payload}`),
      signature: fromBase64Url(signature),
    }
    const examples = new KeySet([new VerificationKey('a', RFC7515_A3.key)])
    expect(VerifiedToken.verify(named, examples).claims['iss']).toBe('joe')
    const bent = { ...named, signingInput: named.signingInput.map((byte, index) => (index === 30 ? byte ^ 1 : byte)) }
    expect(codeOf(() => VerifiedToken.verify(bent, examples))).toBe('JWT_SIGNATURE_INVALID')
  })

  it.each([
    ['nothing', ''],
    ['two parts', 'e30.e30'],
    ['five parts, as a JWE has', 'e30.e30.e30.e30.e30'],
    ['an empty part', `${part(JSON.stringify(header))}.e30.`],
    ['an empty header', '.e30.AAAA'],
    ['padding', 'e30=.e30.AAAA'],
    ['white space', 'e30.e30.AA AA'],
    ['a line feed', 'e30.e30.AAAA\n'],
    ['the other base64 alphabet', 'e30.e30.+/+/'],
    ['trailing bits', 'e31.e30.AAAA'],
    ['JSON serialization', '{"payload":"e30","signatures":[]}'],
  ])('J-1 refuses %s', (_name, text) => {
    expect(['JWT_MALFORMED', 'JWT_JSON_INVALID']).toContain(parse(text))
  })

  it('J-1 refuses a JWE by its header, and JSON serialization by its form', () => {
    expect(parse('e30.e30.e30.e30.e30')).toBe('JWT_MALFORMED')
    expect(withHeader({ enc: 'A256GCM' })).toBe('JWT_HEADER_NOT_ALLOWED')
  })

  it('refuses a signature with non-canonical trailing bits, which would give one token two spellings', () => {
    const token = rawToken(header, {}, key)
    const last = token.at(-1) ?? ''
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const other = alphabet[alphabet.indexOf(last) + 1] ?? ''
    expect(parse(token)).toBe('ACCEPTED')
    expect(parse(token.slice(0, -1) + other)).toBe('JWT_MALFORMED')
  })

  it('refuses more than its limit before it reads anything', () => {
    expect(parse('!'.repeat(16 * 1024 + 1))).toBe('JWT_TOO_LARGE')
    expect(codeOf(() => parseCompact('!'.repeat(101), 'task-token', 100))).toBe('JWT_TOO_LARGE')
    expect(parse(rawToken({ ...header, kid: 'k'.repeat(5000) }, {}, key))).toBe('JWT_JSON_INVALID')
  })

  it.each(['jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64', 'zip', 'cty', 'x5t', 'enc', 'custom'])(
    'J-3 refuses the header parameter %s',
    (name) => {
      expect(withHeader({ [name]: name === 'crit' ? ['exp'] : 'AA' })).toBe('JWT_HEADER_NOT_ALLOWED')
    },
  )

  it.each([
    'none',
    'None',
    'NONE',
    'HS256',
    'HS384',
    'HS512',
    'EdDSA',
    'RS1',
    'es256',
    '',
    'toString',
    null,
    7,
    ['ES256'],
  ])('J-2 AT-1 refuses the algorithm %j before processing', (alg) => {
    expect(withHeader({ alg })).toBe('JWT_ALGORITHM_NOT_ALLOWED')
    // Before processing: the claims are not even looked at.
    expect(parse(rawToken({ ...header, alg }, 'no JSON', key))).toBe('JWT_ALGORITHM_NOT_ALLOWED')
  })

  it('J-2 refuses a token without algorithm', () => {
    expect(withHeader({ alg: undefined })).toBe('JWT_ALGORITHM_NOT_ALLOWED')
  })

  it('refuses an HMAC keyed with the public key', () => {
    const input = `${part(JSON.stringify({ ...header, alg: 'HS256' }))}.e30`
    const mac = createHmac('sha256', key.signer.publicKey).update(input).digest('base64url')
    expect(parse(`${input}.${mac}`)).toBe('JWT_ALGORITHM_NOT_ALLOWED')
  })

  it('refuses a type that is not a string, and one in other case', () => {
    expect(withHeader({ typ: 7 })).toBe('JWT_HEADER_INVALID')
    expect(withHeader({ typ: null })).toBe('JWT_HEADER_INVALID')
    expect(withHeader({ typ: 'AT+JWT' })).toBe('JWT_TYPE_WRONG')
    expect(withHeader({ typ: 'at+jwt ' })).toBe('JWT_TYPE_WRONG')
  })

  it('AT-6 takes the type with and without its prefix', () => {
    expect(withHeader({ typ: 'application/at+jwt' })).toBe('ACCEPTED')
  })

  it('J-4 refuses a token without kid, with an empty one, and with one that is no string', () => {
    expect(withHeader({ kid: undefined })).toBe('JWT_KEY_ID_MISSING')
    expect(withHeader({ kid: '' })).toBe('JWT_HEADER_INVALID')
    expect(withHeader({ kid: 7 })).toBe('JWT_HEADER_INVALID')
  })

  it.each([
    ['duplicate header members', `{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"k"}`, '{}'],
    ['duplicate claims', header, '{"sub":"a","sub":"b"}'],
    ['a duplicate claim deep inside', header, '{"act":{"sub":"a","sub":"b"}}'],
    ['claims that are a list', header, '[]'],
    ['a header that is a list', '[]', '{}'],
    ['claims that are no JSON', header, '{"a":}'],
    ['claims with something behind them', header, '{}{}'],
    ['claims that are deep', header, `${'{"a":'.repeat(20)}1${'}'.repeat(20)}`],
    ['a __proto__ claim', header, '{"__proto__":{}}'],
    ['claims that are no UTF-8', header, '"\\ud800'],
  ])('refuses %s', (_name, head, claims) => {
    expect(parse(rawToken(head, claims, key))).toBe('JWT_JSON_INVALID')
  })
})

describe('verification', () => {
  const verify = (text: string, set = keys): string =>
    codeOf(() => VerifiedToken.verify(parseCompact(text, 'task-token'), set))

  it('takes a token that a trusted key signed', () => {
    expect(verify(rawToken(header, {}, key))).toBe('ACCEPTED')
  })

  it('refuses a kid that is not in the set', () => {
    expect(verify(rawToken({ ...header, kid: 'other' }, {}, key))).toBe('JWT_KEY_UNKNOWN')
    expect(verify(rawToken(header, {}, key), new KeySet([]))).toBe('JWT_KEY_UNKNOWN')
  })

  it('refuses a signature of another key under a trusted kid', () => {
    expect(verify(rawToken(header, {}, newTestKey()))).toBe('JWT_SIGNATURE_INVALID')
  })

  it('refuses an algorithm other than the key has', () => {
    expect(verify(rawToken({ ...header, alg: 'RS256' }, {}, key))).toBe('JWT_ALGORITHM_NOT_ALLOWED')
    expect(verify(rawToken({ ...header, alg: 'ES384' }, {}, key))).toBe('JWT_ALGORITHM_NOT_ALLOWED')
  })

  it.each([0, 1, 63, 65, 128])('refuses a signature of %d bytes', (length) => {
    const [head = '', claims = ''] = rawToken(header, {}, key).split('.')
    const signature = Buffer.alloc(length, 1).toString('base64url')
    expect(['JWT_SIGNATURE_INVALID', 'JWT_MALFORMED']).toContain(verify(`${head}.${claims}.${signature}`))
  })

  it('refuses a signature of zeros', () => {
    const [head = '', claims = ''] = rawToken(header, {}, key).split('.')
    expect(verify(`${head}.${claims}.${Buffer.alloc(64).toString('base64url')}`)).toBe('JWT_SIGNATURE_INVALID')
  })

  it('refuses a DER signature in the place of r and s', () => {
    const [head = '', claims = ''] = rawToken(header, {}, key).split('.')
    const der = Buffer.from('30440220'.padEnd(140, '1'), 'hex').toString('base64url')
    expect(verify(`${head}.${claims}.${der}`)).toBe('JWT_SIGNATURE_INVALID')
  })
})

describe('the table of kinds', () => {
  const kinds = Object.keys(TOKEN_KINDS) as TokenKind[]
  const headerOf = (kind: TokenKind): object => {
    const { typ, key: place } = TOKEN_KINDS[kind]
    if (place === 'header-jwk') return { alg: 'ES256', typ, jwk: { ...key.jwk } }
    return place === 'kid' ? { alg: 'ES256', typ, kid: key.kid } : { alg: 'ES256', typ }
  }
  // JWT-SVID and ID token share a type; issuer, keys and subject tell them apart (see the tests of each).
  const sameType = (one: TokenKind, other: TokenKind): boolean => TOKEN_KINDS[one].typ === TOKEN_KINDS[other].typ

  it.each(kinds)('takes a %s in its own slot', (kind) => {
    expect(parse(rawToken(headerOf(kind), {}, key), kind)).toBe('ACCEPTED')
  })

  it.each(kinds.flatMap((kind) => kinds.filter((slot) => !sameType(kind, slot)).map((slot) => [kind, slot] as const)))(
    'SP-5 refuses a %s in the slot of a %s',
    (kind, slot) => {
      expect(['JWT_TYPE_WRONG', 'JWT_HEADER_NOT_ALLOWED']).toContain(parse(rawToken(headerOf(kind), {}, key), slot))
    },
  )

  it('only two kinds share a type', () => {
    const shared = kinds.filter((kind) => kinds.some((other) => other !== kind && sameType(kind, other)))
    expect(shared).toEqual(['jwt-svid', 'id-token'])
  })

  it('AT-2 allows RS256 for what we issue to third parties', () => {
    expect(TOKEN_KINDS['task-token'].algorithms).toContain('RS256')
    expect(TOKEN_KINDS['security-event'].algorithms).toContain('RS256')
  })
})
