import { after, instant, MINUTE } from '#kernel/instant.ts'
import {
  DpopProof,
  isSameUri,
  isSealedNonce,
  KeySet,
  nonceTime,
  sealNonce,
  signDpopProof,
  signWorkloadProof,
  WitSvid,
  witSvidClaims,
  WorkloadProof,
} from '#jwt/index.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../support/code-of.ts'
import { rawDpop, rawWpt } from '../support/dpop.ts'
import { newTestKey } from '../support/keys.ts'
import { BOT, NOW, rawToken } from '../support/tokens.ts'

const issuer = newTestKey()
const key = newTestKey()
const uri = 'https://id.example.org/v1/renew'
const request = { method: 'POST', uri, now: NOW }
const keys = new KeySet([issuer.verificationKey])
const rules = { keysOf: () => keys, now: NOW }

const wit = rawToken(
  { alg: 'ES256', typ: 'wit+jwt', kid: issuer.kid },
  witSvidClaims({
    subject: BOT,
    key: key.jwk,
    algorithm: 'ES256',
    issuedAt: NOW,
    expiresAt: after(NOW, MINUTE),
    id: 'one',
    certificate: '01ab',
  }),
  issuer,
)
const identity = WitSvid.verify(wit, rules)
const asked = { identity, audience: uri, now: NOW }
const dpop = rawDpop(request, { key })
const wpt = rawWpt({ wit, uri, now: NOW }, { key })

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'.split('')
const readers = [
  ['a DPoP proof', dpop, (text: string) => DpopProof.verify([text], request)],
  ['a WIT-SVID', wit, (text: string) => WitSvid.verify(text, rules)],
  ['a workload proof', wpt, (text: string) => WorkloadProof.verify(text, asked)],
] as const

describe.each(readers)('%s, whatever comes', (name, good, read) => {
  const prefix = name === 'a DPoP proof' ? 'DPOP_' : name === 'a WIT-SVID' ? 'WIT_' : 'WPT_'

  it('is read when it is good', () => {
    expect(codeOf(() => read(good))).toBe('ACCEPTED')
  })

  it('is refused with a code of its own for any text, header and claims', () => {
    const [head = '', body = ''] = good.split('.')
    const part = (text: string): object => JSON.parse(Buffer.from(text, 'base64url').toString()) as object
    const signer = name === 'a WIT-SVID' ? issuer : key
    const text = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.tuple(fc.base64String(), fc.base64String(), fc.base64String()).map((parts) => parts.join('.')),
      fc.tuple(fc.json(), fc.json()).map(([header, claims]) => rawToken(header, claims, signer)),
      fc
        .tuple(fc.constantFrom('alg', 'typ', 'jwk', 'kid'), fc.jsonValue())
        .map(([member, value]) => rawToken({ ...part(head), [member]: value }, part(body), signer)),
      fc
        .tuple(fc.constantFrom('jti', 'htm', 'htu', 'iat', 'aud', 'exp', 'wth', 'oth', 'cnf', 'sub'), fc.jsonValue())
        .map(([member, value]) => rawToken(part(head), { ...part(body), [member]: value }, signer)),
    )
    fc.assert(
      fc.property(text, (token) => {
        const code = codeOf(() => read(token))
        expect(code === 'ACCEPTED' || code.startsWith(prefix)).toBe(true)
      }),
      { numRuns: 600 },
    )
  })

  it('is refused with any one character changed, left out or added', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.constantFrom(...alphabet, ''), fc.boolean(), (index, other, adds) => {
        const changed = good.slice(0, index) + other + good.slice(index + (adds ? 0 : 1))
        if (changed !== good) expect(codeOf(() => read(changed))).not.toBe('ACCEPTED')
      }),
      { numRuns: 300 },
    )
  })
})

describe('what we sign', () => {
  const path = fc.array(fc.stringMatching(/^[A-Za-z0-9~._-]{1,8}$/), { maxLength: 4 }).map((parts) => parts.join('/'))

  it('is taken for the very request, and for no other path or method', async () => {
    await fc.assert(
      fc.asyncProperty(path, path, fc.string({ minLength: 1, maxLength: 40 }), async (one, other, token) => {
        const target = `https://id.example.org/${one}`
        fc.pre(/^[!-~]+$/.test(token))
        const fields = { method: 'PUT', uri: `${target}?q#f`, issuedAt: NOW, id: 'x', accessToken: token }
        const text = await signDpopProof(key.signer, fields)
        const bound = { accessToken: token, jkt: key.kid }
        const at = (url: string, method: string) =>
          codeOf(() => DpopProof.verify([text], { method, uri: url, now: NOW, bound }))
        expect(at(target, 'PUT')).toBe('ACCEPTED')
        expect(at(target, 'POST')).toBe('DPOP_METHOD_WRONG')
        const elsewhere = `https://id.example.org/${other}`
        expect(at(elsewhere, 'PUT') === 'ACCEPTED').toBe(isSameUri(target, elsewhere))
      }),
      { numRuns: 60 },
    )
  })

  it('is a workload proof that is taken for its identity and URL', async () => {
    await fc.assert(
      fc.asyncProperty(path, fc.integer({ min: 1, max: 60 }), async (where, seconds) => {
        const audience = `https://id.example.org/${where}`
        const fields = { identityToken: wit, audience, expiresAt: after(NOW, seconds * 1000), id: 'x' }
        const text = await signWorkloadProof(key.signer, fields)
        expect(codeOf(() => WorkloadProof.verify(text, { ...asked, audience }))).toBe('ACCEPTED')
      }),
      { numRuns: 40 },
    )
  })
})

describe('a nonce', () => {
  it('DP-3 says its time and is known by its key alone, and no bent one is', () => {
    const secret = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(secret, secret, fc.integer({ min: 0, max: 253_402_300_799_000 }), (one, other, time) => {
        const nonce = sealNonce(one, instant(time))
        expect(nonceTime(nonce)).toBe(time)
        expect(isSealedNonce(one, nonce)).toBe(true)
        if (Buffer.compare(one, other) !== 0) expect(isSealedNonce(other, nonce)).toBe(false)
      }),
    )
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        expect(isSealedNonce(new Uint8Array(32), text)).toBe(false)
        expect(codeOf(() => nonceTime(text))).toBe('ACCEPTED')
      }),
    )
  })
})
