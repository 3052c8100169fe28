import { DpopProof, isSealedNonce, nonceTime, sealNonce, signDpopProof, tokenHash, type DpopRules } from '#jwt/index.ts'
import { after, MINUTE, SECOND } from '#kernel/instant.ts'
import { calculateJwkThumbprint, EmbeddedJWK, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/code-of.ts'
import { hashOf, rawDpop, type RawProof } from '../../support/dpop.ts'
import { newTestKey } from '../../support/keys.ts'
import { NOW, rawToken } from '../../support/tokens.ts'

const uri = 'https://billing.example.org/invoices'
const request = { method: 'POST', uri, now: NOW }
const key = newTestKey()

function outcome(proof: RawProof, rules: Partial<DpopRules> = {}): string {
  return codeOf(() => DpopProof.verify([rawDpop(request, { key, ...proof })], { ...request, ...rules }))
}

describe('the checks of RFC 9449 section 4.3', () => {
  it('DP-1 accepts a proof that is right in everything', () => {
    const proof = DpopProof.verify([rawDpop(request, { key })], request)
    expect(proof.jkt).toBe(key.kid)
    expect(proof.nonce).toBeUndefined()
  })

  it('DP-1 check 1: exactly one header', () => {
    const proofs = [rawDpop(request, { key }), rawDpop(request, { key })]
    expect(codeOf(() => DpopProof.verify(proofs, request))).toBe('DPOP_PROOF_MULTIPLE')
    expect(codeOf(() => DpopProof.verify([], request))).toBe('DPOP_PROOF_MULTIPLE')
    expect(codeOf(() => DpopProof.verify([proofs.join(', ')], request))).toBe('DPOP_PROOF_MALFORMED')
  })

  it.each([
    ['nothing', ''],
    ['text', 'proof'],
    ['two parts', 'e30.e30'],
    ['white space', `${rawDpop(request)} `],
    ['more than is read', 'a'.repeat(9000)],
  ])('DP-1 check 2: a well-formed JWT, not %s', (_name, text) => {
    expect(codeOf(() => DpopProof.verify([text], request))).toBe('DPOP_PROOF_MALFORMED')
  })

  it('DP-1 check 2: no header parameter that means nothing in a proof', () => {
    expect(outcome({ header: { kid: 'x' } })).toBe('DPOP_PROOF_MALFORMED')
    expect(outcome({ header: { crit: ['exp'] } })).toBe('DPOP_PROOF_MALFORMED')
    expect(outcome({ header: { jwk: undefined } })).toBe('DPOP_PROOF_MALFORMED')
    expect(outcome({ header: { jwk: 'x' } })).toBe('DPOP_PROOF_MALFORMED')
  })

  it.each(['jti', 'htm', 'htu', 'iat'])('DP-1 check 3: %s is there and well-formed', (claim) => {
    for (const value of [undefined, null, '', [], {}, true]) {
      expect(outcome({ claims: { [claim]: value } })).toBe('DPOP_CLAIM_INVALID')
    }
  })

  it.each(['JWT', 'at+jwt', 'wpt+jwt', 'wit+jwt', 'DPoP+jwt', undefined])('DP-1 check 4: typ is not %s', (typ) => {
    expect(outcome({ header: { typ } })).toBe('DPOP_TYPE_WRONG')
  })

  it.each(['none', 'HS256', 'HS512', 'EdDSA', 'RS1', undefined])('DP-1 check 5: alg is not %s', (alg) => {
    expect(outcome({ header: { alg } })).toBe('DPOP_ALGORITHM_NOT_ALLOWED')
  })

  it('DP-1 check 5: alg fits the key', () => {
    expect(outcome({ header: { alg: 'ES384' } })).toBe('DPOP_KEY_INVALID')
    expect(outcome({ header: { alg: 'RS256' } })).toBe('DPOP_KEY_INVALID')
  })

  it('DP-1 check 6: the signature verifies with the key in the header', () => {
    expect(outcome({ header: { jwk: newTestKey().jwk } })).toBe('DPOP_SIGNATURE_INVALID')
    const [header = '', claims = ''] = rawDpop(request, { key }).split('.')
    const bent = `${header}.${claims}.${'A'.repeat(86)}`
    expect(codeOf(() => DpopProof.verify([bent], request))).toBe('DPOP_SIGNATURE_INVALID')
  })

  it('DP-1 check 7: no private part in jwk, and a key that is one', () => {
    const { d } = key.privateKey.export({ format: 'jwk' })
    expect(outcome({ header: { jwk: { ...key.jwk, d } } })).toBe('DPOP_KEY_PRIVATE')
    expect(outcome({ header: { jwk: { kty: 'oct', k: 'AAAA' } } })).toBe('DPOP_KEY_PRIVATE')
    expect(outcome({ header: { jwk: { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' } } })).toBe('DPOP_KEY_INVALID')
    expect(outcome({ header: { jwk: { ...key.jwk, x: 'AAAA' } } })).toBe('DPOP_KEY_INVALID')
  })

  it.each(['GET', 'post', 'POST '])('DP-1 check 8: htm is the method, not %s', (htm) => {
    expect(outcome({ claims: { htm } })).toBe('DPOP_METHOD_WRONG')
  })

  it.each([
    'https://billing.example.org/invoices?x=1',
    'https://billing.example.org/invoices#x',
    'https://billing.example.org/invoices?',
    'https://billing.example.org/invoices/',
    'https://billing.example.org/Invoices',
    'https://billing.example.org/',
    'https://billing.example.org:8443/invoices',
    'https://evil.example.org/invoices',
    'https://user@billing.example.org/invoices',
    'http://billing.example.org/invoices',
    '/invoices',
    'billing.example.org/invoices',
  ])('DP-1 check 9: htu is not %s', (htu) => {
    expect(outcome({ claims: { htu } })).toBe('DPOP_URI_WRONG')
  })

  it.each(['HTTPS://Billing.Example.ORG/invoices', 'https://billing.example.org:443/%69nvoices', uri])(
    'DP-1 check 9: htu is compared after normalization, as %s',
    (htu) => {
      expect(outcome({ claims: { htu } })).toBe('ACCEPTED')
      expect(outcome({ claims: { htu } }, { uri: `${uri}?page=2` })).toBe('ACCEPTED')
    },
  )

  it('DP-1 check 11: made within a minute', () => {
    const at = (offset: number) => outcome({}, { now: after(NOW, offset) })
    expect(at(MINUTE)).toBe('ACCEPTED')
    expect(at(-MINUTE)).toBe('ACCEPTED')
    expect(at(MINUTE + SECOND)).toBe('DPOP_PROOF_STALE')
    expect(at(-MINUTE - SECOND)).toBe('DPOP_PROOF_STALE')
  })

  it('DP-1 check 12: ath is the hash of the token, and the key is the one that it is bound to', () => {
    const bound = { accessToken: 'a.b.c', jkt: key.kid }
    expect(outcome({ claims: { ath: hashOf('a.b.c') } }, { bound })).toBe('ACCEPTED')
    expect(outcome({}, { bound })).toBe('DPOP_TOKEN_HASH_WRONG')
    expect(outcome({ claims: { ath: hashOf('a.b.d') } }, { bound })).toBe('DPOP_TOKEN_HASH_WRONG')
    const foreign = { accessToken: 'a.b.c', jkt: newTestKey().kid }
    expect(outcome({ claims: { ath: hashOf('a.b.c') } }, { bound: foreign })).toBe('DPOP_KEY_MISMATCH')
  })

  it('DP-4 is remembered by key and jti, under a name of fixed length, for longer than it is fresh', () => {
    const proof = (jti: string) => DpopProof.verify([rawDpop(request, { key, claims: { jti } })], request)
    expect(proof('a').replayKey).toBe(proof('a').replayKey)
    expect(proof('a').replayKey).not.toBe(proof('b').replayKey)
    expect(proof('a'.repeat(2000)).replayKey).toHaveLength(proof('a').replayKey.length)
    expect(proof('a').rememberUntil).toBeGreaterThan(after(NOW, MINUTE))
  })
})

describe('a proof and jose', () => {
  it('jose verifies what we sign, for every algorithm that a key of ours may have', async () => {
    for (const algorithm of ['ES256', 'ES384', 'RS256'] as const) {
      const { signer, kid } = newTestKey(algorithm)
      const fields = { method: 'GET', uri: `${uri}?x=1#y`, issuedAt: NOW, id: 'one', nonce: 'n', accessToken: 't' }
      const text = await signDpopProof(signer, fields)
      const { payload, protectedHeader } = await jwtVerify(text, EmbeddedJWK, { typ: 'dpop+jwt' })
      expect(payload).toEqual({ jti: 'one', htm: 'GET', htu: uri, iat: NOW / 1000, nonce: 'n', ath: tokenHash('t') })
      expect(await calculateJwkThumbprint(protectedHeader.jwk ?? {})).toBe(kid)
    }
  })

  it('we verify what jose signs', async () => {
    for (const algorithm of ['ES256', 'ES384', 'ES512', 'RS256', 'PS256'] as const) {
      const { privateKey, publicKey } = await generateKeyPair(algorithm)
      const jwk = await exportJWK(publicKey)
      const text = await new SignJWT({ htm: 'POST', htu: uri, jti: 'x' })
        .setProtectedHeader({ typ: 'dpop+jwt', alg: algorithm, jwk })
        .setIssuedAt(NOW / 1000)
        .sign(privateKey)
      expect(DpopProof.verify([text], request).jkt).toBe(await calculateJwkThumbprint(jwk))
    }
  })

  it('no other kind of token is a proof, and a proof is no other kind', () => {
    const claims = { jti: 'x', htm: 'POST', htu: uri, iat: NOW / 1000 }
    const text = rawToken({ typ: 'at+jwt', alg: 'ES256', kid: key.kid }, claims, key)
    expect(codeOf(() => DpopProof.verify([text], request))).toBe('DPOP_PROOF_MALFORMED')
  })
})

describe('the nonce of a server', () => {
  const secret = new Uint8Array(32).fill(7)

  it('DP-3 says when it was made, and only the key that sealed it knows it again', () => {
    const nonce = sealNonce(secret, NOW)
    expect(nonceTime(nonce)).toBe(NOW)
    expect(isSealedNonce(secret, nonce)).toBe(true)
    expect(isSealedNonce(new Uint8Array(32).fill(8), nonce)).toBe(false)
    const other = sealNonce(secret, after(NOW, 1))
    expect(isSealedNonce(secret, other.slice(0, 8) + nonce.slice(8))).toBe(false)
  })

  it.each(['', 'x', 'AAAA', '=', 'A'.repeat(100), '_'.repeat(30)])('DP-3 is not %s', (text) => {
    expect(isSealedNonce(secret, text)).toBe(false)
    expect(nonceTime(text)).toBeNull()
  })
})
