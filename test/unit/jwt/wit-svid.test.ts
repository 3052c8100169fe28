import { KeySet, parseCompact, readWitSvidClaims, WitSvid, witSvidClaims } from '#jwt/index.ts'
import { after, HOUR, MINUTE, toNumericDate } from '#kernel/instant.ts'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/code-of.ts'
import { newTestKey } from '../../support/keys.ts'
import { BOT, NOW, rawToken } from '../../support/tokens.ts'
import { WIT_SVID_APPENDIX_A as EXAMPLE } from '../../vectors/wit-svid.ts'

const issuer = newTestKey()
const key = newTestKey()
const keys = new KeySet([issuer.verificationKey])
const fields = { subject: BOT, key: key.jwk, algorithm: 'ES256', certificate: '01ab', id: 'one' } as const
const claims = witSvidClaims({ ...fields, issuedAt: NOW, expiresAt: after(NOW, HOUR) })
const token = (change: object = {}): string =>
  rawToken({ alg: 'ES256', typ: 'wit+jwt', kid: issuer.kid }, { ...claims, ...change }, issuer)
const read = (text: string, at = NOW) => WitSvid.verify(text, { keysOf: () => keys, now: at })

describe('a WIT-SVID', () => {
  it('W-10 reads the example of appendix A, and takes it for nobody without the key of its issuer', () => {
    const unverified = parseCompact(EXAMPLE.token, 'wit-svid')
    const read = readWitSvidClaims(unverified)
    expect(read.subject.toString()).toBe(EXAMPLE.subject)
    expect(toNumericDate(read.expiresAt)).toBe(EXAMPLE.expiresAt)
    expect(read.key).toEqual(EXAMPLE.key)
    expect(read.algorithm).toBe('ES256')
    const rules = { keysOf: () => keys, now: NOW }
    expect(codeOf(() => WitSvid.verify(EXAMPLE.token, rules))).toBe('WIT_KEY_UNKNOWN')
  })

  it('W-1 finds its key by kid, which is case-sensitive', () => {
    const header = { alg: 'ES256', typ: 'wit+jwt', kid: issuer.kid.toUpperCase() }
    expect(codeOf(() => read(rawToken(header, claims, issuer)))).toBe('WIT_KEY_UNKNOWN')
    expect(read(token()).key.kid).toBe(key.kid)
  })

  it('W-5 is refused before nbf, and whatever its iat says it is taken', () => {
    const later = toNumericDate(after(NOW, MINUTE))
    expect(codeOf(() => read(token({ nbf: later })))).toBe('WIT_NOT_YET_VALID')
    expect(codeOf(() => read(token({ iat: later })))).toBe('ACCEPTED')
    expect(codeOf(() => read(token({ iat: undefined, nbf: undefined, jti: undefined })))).toBe('ACCEPTED')
  })

  it('W-3 ends when it says, and claims that it does not name mean nothing', () => {
    expect(read(token({ extra: 'x', iss: 'https://elsewhere.example.org' })).subject.toString()).toBe(BOT.toString())
    expect(codeOf(() => read(token(), after(NOW, HOUR - 1)))).toBe('ACCEPTED')
    expect(codeOf(() => read(token(), after(NOW, HOUR)))).toBe('WIT_EXPIRED')
  })

  it('WI-3 has one algorithm for proofs, that of its key', () => {
    expect(read(token()).key.algorithms).toEqual(['ES256'])
    const odd = { cnf: { jwk: { ...key.jwk, alg: 'ES384' } } }
    expect(codeOf(() => read(token(odd)))).toBe('WIT_CLAIM_INVALID')
  })
})
