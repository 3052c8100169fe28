import * as jose from 'jose'
import {
  decodeJwks,
  encodeJwks,
  IdToken,
  JwtSvid,
  KeySet,
  PreparedHeader,
  signCompact,
  taskTokenToJson,
  TaskToken,
  thumbprint,
  VerificationKey,
  type JwsAlgorithm,
} from '#jwt/index.ts'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import { after, SECOND } from '#kernel/instant.ts'
import { parsePublicJwk } from '#spiffe/index.ts'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/code-of.ts'
import { newTestKey } from '../../support/keys.ts'
import { AUDIENCE, BOT, ISSUER, NOW, taskTokenClaims } from '../../support/tokens.ts'

const now = after(NOW, SECOND)

describe('jose, as an oracle', () => {
  it.each<SignatureAlgorithm>(['ES256', 'ES384', 'RS256'])(
    'verifies the task token that we sign with %s',
    async (alg) => {
      const key = newTestKey(alg)
      const token = await signCompact(
        new PreparedHeader('task-token', alg, key.kid),
        taskTokenToJson(taskTokenClaims()),
        key.signer,
      )
      const jwks = jose.createLocalJWKSet(encodeJwks([key.verificationKey]) as unknown as jose.JSONWebKeySet)
      const { payload } = await jose.jwtVerify(token, jwks, {
        issuer: ISSUER,
        audience: AUDIENCE,
        typ: 'at+jwt',
        algorithms: [alg],
        currentDate: new Date(now),
      })
      expect(payload['act']).toMatchObject({ act: { sub: BOT.toString() } })
    },
  )

  it('computes the same thumbprints', async () => {
    for (const alg of ['ES256', 'ES384', 'RS256'] as const) {
      const { jwk, kid } = newTestKey(alg)
      expect(await jose.calculateJwkThumbprint(jwk as unknown as jose.JWK)).toBe(kid)
    }
  })

  it.each<JwsAlgorithm>(['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'])(
    'J-2 signs a JWT-SVID with %s that we verify',
    async (alg) => {
      const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true })
      const jwk = parsePublicJwk(await jose.exportJWK(publicKey))
      if (jwk === undefined) throw new TypeError('a kind of key that we do not know')
      const keys = new KeySet([new VerificationKey('k', jwk)])
      const sign = (key: jose.CryptoKey): Promise<string> =>
        new jose.SignJWT({ sub: BOT.toString() })
          .setProtectedHeader({ alg, kid: 'k', typ: 'JWT' })
          .setAudience('a')
          .setExpirationTime(NOW / 1000 + 60)
          .sign(key)
      const rules = { keysOf: () => keys, audience: 'a', audienceRule: 'sole' as const, now }
      expect(JwtSvid.verify(await sign(privateKey), rules).subject.equals(BOT)).toBe(true)
      const other = await jose.generateKeyPair(alg)
      expect(codeOf(() => JwtSvid.verify('', rules))).toBe('JWT_MALFORMED')
      const forged = await sign(other.privateKey)
      expect(codeOf(() => JwtSvid.verify(forged, rules))).toBe('JWT_SIGNATURE_INVALID')
    },
  )

  it('signs an ID token that we verify with its own JWK Set', async () => {
    const { publicKey, privateKey } = await jose.generateKeyPair('RS256')
    const jwks = JSON.stringify({
      keys: [{ ...(await jose.exportJWK(publicKey)), kid: 'k', use: 'sig', alg: 'RS256' }],
    })
    const token = await new jose.SignJWT({ sub: 'alice', nonce: 'n' })
      .setProtectedHeader({ alg: 'RS256', kid: 'k' })
      .setIssuer('https://idp.test')
      .setAudience('writ')
      .setIssuedAt(NOW / 1000)
      .setExpirationTime(NOW / 1000 + 60)
      .sign(privateKey)
    const rules = { keys: decodeJwks(jwks), issuer: 'https://idp.test', audience: 'writ', now }
    expect(IdToken.verify(token, rules)).toMatchObject({ subject: 'alice' })
  })

  it('refuses what we refuse: another type, a changed claim', async () => {
    const key = newTestKey()
    const token = await signCompact(
      new PreparedHeader('task-token', 'ES256', key.kid),
      taskTokenToJson(taskTokenClaims()),
      key.signer,
    )
    const jwks = jose.createLocalJWKSet(encodeJwks([key.verificationKey]) as unknown as jose.JSONWebKeySet)
    const options = { currentDate: new Date(now) }
    await expect(jose.jwtVerify(token, jwks, { ...options, typ: 'JWT' })).rejects.toMatchObject({
      code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
    })
    const rules = { keys: new KeySet([key.verificationKey]), issuer: ISSUER, audience: AUDIENCE, now }
    expect(codeOf(() => TaskToken.verify(token, rules))).toBe('ACCEPTED')
    expect(thumbprint(key.jwk)).toBe(key.kid)
  })
})
