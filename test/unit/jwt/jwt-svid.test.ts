import { after, MINUTE, SECOND } from '#kernel/instant.ts'
import { IdToken, JwtSvid, jwtSvidClaims, KeySet, parseCompact, readWitSvidClaims } from '#jwt/index.ts'
import type { JwtSvidRules } from '#jwt/index.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/code-of.ts'
import { newTestKey } from '../../support/keys.ts'
import { BOT, NOW, rawToken } from '../../support/tokens.ts'
import { WIT_SVID_APPENDIX_A } from '../../vectors/jose.ts'

const key = newTestKey()
const foreign = newTestKey()
const issuer = 'https://id.example.org/spiffe'
const audience = 'https://id.example.org'
const header = { alg: 'ES256', typ: 'JWT', kid: key.kid }
const domains = new Map([
  ['example.org', new KeySet([key.verificationKey])],
  ['other.test', new KeySet([foreign.verificationKey])],
])
const rules: JwtSvidRules = {
  keysOf: (domain) => domains.get(domain.name),
  audience,
  audienceRule: 'sole',
  now: after(NOW, SECOND),
}
const json = jwtSvidClaims({
  issuer,
  subject: BOT,
  audience: [audience],
  issuedAt: NOW,
  expiresAt: after(NOW, 5 * MINUTE),
  id: 'jti-1',
})
const verify = (changes: object, head: object = header, other: Partial<JwtSvidRules> = {}): string =>
  codeOf(() => JwtSvid.verify(rawToken(head, { ...json, ...changes }, key), { ...rules, ...other }))

describe('a JWT-SVID', () => {
  it('J-6 J-9 says who, for whom, how long, and has a jti', () => {
    const svid = JwtSvid.verify(rawToken(header, json, key), { ...rules, issuer })
    expect(svid.subject.equals(BOT)).toBe(true)
    expect(svid).toMatchObject({ audience: [audience], id: 'jti-1', issuedAt: NOW, kid: key.kid })
    expect(json).toEqual({
      iss: issuer,
      sub: BOT.toString(),
      aud: audience,
      iat: 1797840000,
      exp: 1797840300,
      jti: 'jti-1',
    })
  })

  it.each([undefined, 'JWT', 'JOSE'])('J-5 takes the type %s', (typ) => {
    expect(verify({}, { ...header, typ })).toBe('ACCEPTED')
  })

  it.each(['at+jwt', 'wit+jwt', 'jwt', 'application/JWT', ''])('J-5 refuses the type %j', (typ) => {
    expect(verify({}, { ...header, typ })).toBe('JWT_TYPE_WRONG')
  })

  it.each([
    ['user:corp:alice', 'JWT_SUBJECT_WRONG'],
    ['spiffe://Example.org/a', 'JWT_SUBJECT_WRONG'],
    ['https://example.org/a', 'JWT_SUBJECT_WRONG'],
    [undefined, 'JWT_CLAIM_MISSING'],
    [null, 'JWT_CLAIM_INVALID'],
    [['spiffe://example.org/a'], 'JWT_CLAIM_INVALID'],
  ])('J-6 refuses the subject %j', (sub, code) => {
    expect(verify({ sub })).toBe(code)
  })

  it('J-7 wants an audience, and its own among them', () => {
    expect(verify({ aud: undefined })).toBe('JWT_CLAIM_MISSING')
    expect(verify({ aud: [] })).toBe('JWT_CLAIM_INVALID')
    expect(verify({ aud: [''] })).toBe('JWT_CLAIM_INVALID')
    expect(verify({ aud: [7] })).toBe('JWT_CLAIM_INVALID')
    expect(verify({ aud: 'https://id.example.org/' })).toBe('JWT_AUDIENCE_WRONG')
    const two = { aud: [audience, 'https://other.test'] }
    expect(verify(two)).toBe('JWT_AUDIENCE_WRONG')
    expect(verify(two, header, { audienceRule: 'among' })).toBe('ACCEPTED')
    expect(
      codeOf(() => jwtSvidClaims({ issuer, subject: BOT, audience: [], issuedAt: NOW, expiresAt: NOW, id: 'a' })),
    ).toBe('JWT_CLAIM_INVALID')
  })

  it('J-8 wants an expiry that has not come', () => {
    expect(verify({ exp: undefined })).toBe('JWT_CLAIM_MISSING')
    expect(verify({ exp: '1797840300' })).toBe('JWT_CLAIM_INVALID')
    expect(verify({ exp: 1e300 })).toBe('JWT_CLAIM_INVALID')
    expect(verify({ exp: 1797839941 })).toBe('JWT_EXPIRED')
    expect(verify({ exp: 1797839942 })).toBe('ACCEPTED')
    expect(verify({ nbf: 1797840062 })).toBe('JWT_NOT_YET_VALID')
  })

  it('J-13 takes the key from the bundle of the subject only', () => {
    expect(verify({ sub: 'spiffe://other.test/a' })).toBe('JWT_KEY_UNKNOWN')
    expect(verify({ sub: 'spiffe://third.test/a' })).toBe('JWT_TRUST_DOMAIN_UNKNOWN')
    const theirs = rawToken({ ...header, kid: foreign.kid }, { ...json, sub: 'spiffe://other.test/a' }, foreign)
    expect(codeOf(() => JwtSvid.verify(theirs, rules))).toBe('ACCEPTED')
    const posing = rawToken({ ...header, kid: foreign.kid }, json, foreign)
    expect(codeOf(() => JwtSvid.verify(posing, rules))).toBe('JWT_KEY_UNKNOWN')
  })

  it('checks the issuer exactly where one is asked for', () => {
    expect(verify({ iss: audience }, header, { issuer })).toBe('JWT_ISSUER_WRONG')
    expect(verify({ iss: undefined }, header, { issuer })).toBe('JWT_CLAIM_MISSING')
    expect(verify({ iss: undefined })).toBe('ACCEPTED')
  })
})

describe('an ID token', () => {
  const keys = new KeySet([key.verificationKey])
  const idRules = { keys, issuer: 'https://idp.test', audience: 'writ', now: after(NOW, SECOND) }
  const claims = { iss: 'https://idp.test', sub: '00u1', aud: 'writ', iat: 1797840000, exp: 1797840300 }
  const check = (changes: object): string =>
    codeOf(() => IdToken.verify(rawToken(header, { ...claims, ...changes }, key), idRules))

  it('says who signed in where', () => {
    const token = IdToken.verify(rawToken(header, { ...claims, auth_time: 1797839000 }, key), idRules)
    expect(token).toMatchObject({ issuer: 'https://idp.test', subject: '00u1', issuedAt: NOW })
    expect(token.authenticatedAt).toBe(after(NOW, -1000 * SECOND))
  })

  it.each([
    [{ iss: 'https://idp.test/' }, 'JWT_ISSUER_WRONG'],
    [{ aud: 'other' }, 'JWT_AUDIENCE_WRONG'],
    [{ aud: ['writ', 'other'] }, 'JWT_CLAIM_MISSING'],
    [{ aud: ['writ', 'other'], azp: 'other' }, 'JWT_AUDIENCE_WRONG'],
    [{ aud: ['writ', 'other'], azp: 'writ' }, 'ACCEPTED'],
    [{ azp: 'other' }, 'JWT_AUDIENCE_WRONG'],
    [{ exp: undefined }, 'JWT_CLAIM_MISSING'],
    [{ iat: undefined }, 'JWT_CLAIM_MISSING'],
    [{ sub: undefined }, 'JWT_CLAIM_MISSING'],
    [{ exp: 1797839000 }, 'JWT_EXPIRED'],
  ])('with %j is %s', (changes, code) => {
    expect(check(changes)).toBe(code)
  })

  it('SP-5 and a JWT-SVID refuse each other, even under the same keys, issuer and audience', () => {
    expect(check({ sub: BOT.toString() })).toBe('JWT_SUBJECT_WRONG')
    expect(check({ sub: 'SPIFFE://example.org/a' })).toBe('JWT_SUBJECT_WRONG')
    const idToken = rawToken(header, { ...claims, aud: audience }, key)
    expect(codeOf(() => JwtSvid.verify(idToken, rules))).toBe('JWT_SUBJECT_WRONG')
  })
})

describe('a WIT-SVID', () => {
  const read = (text: string): ReturnType<typeof readWitSvidClaims> => readWitSvidClaims(parseCompact(text, 'wit-svid'))
  const wit = { ...header, typ: 'wit+jwt' }
  const cnf = { jwk: { ...key.jwk, alg: 'ES256' } }
  const claims = { sub: BOT.toString(), exp: 1797840300, cnf }

  it('W-10 is read as in appendix A', () => {
    const claimsOfA = read(WIT_SVID_APPENDIX_A)
    expect(claimsOfA.subject.equals(SpiffeId.parse('spiffe://example.com/my-workload'))).toBe(true)
    expect(claimsOfA.algorithm).toBe('ES256')
    expect(claimsOfA.key).toMatchObject({ kty: 'EC', x: 'rzP7mLCKAHWmsM6X0EwVISC_hI3ujcu95ffUkyeDGGo' })
    expect(claimsOfA.id).toBe('1yj19V4McOAzMcFi7qvsg_AgCxlrY5E_x509wlKKQtc')
  })

  it('W-4 has no audience', () => {
    expect(codeOf(() => read(rawToken(wit, { ...claims, aud: 'a' }, key)))).toBe('JWT_CLAIM_NOT_ALLOWED')
  })

  it.each([
    [{ sub: undefined }, 'JWT_CLAIM_MISSING'],
    [{ exp: undefined }, 'JWT_CLAIM_MISSING'],
    [{ cnf: undefined }, 'JWT_CLAIM_MISSING'],
    [{ cnf: {} }, 'JWT_CLAIM_MISSING'],
    [{ cnf: { jwk: { ...key.jwk } } }, 'JWT_CLAIM_INVALID'],
    [{ cnf: { jwk: { ...key.jwk, alg: 'HS256' } } }, 'JWT_CLAIM_INVALID'],
    [{ cnf: { jwk: { ...key.jwk, alg: 'RS256' } } }, 'JWT_KEY_UNSUPPORTED'],
    [{ cnf: { jwk: { ...key.jwk, alg: 'ES256', d: 'AA' } } }, 'JWK_NOT_PUBLIC'],
    [{}, 'ACCEPTED'],
  ])('W-3 with %j is %s', (changes, code) => {
    expect(codeOf(() => read(rawToken(wit, { ...claims, ...changes }, key)))).toBe(code)
  })
})
