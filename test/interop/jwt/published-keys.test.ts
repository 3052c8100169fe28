import * as jose from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { issueTokens, RECEIVER, US, type IssuedTokens } from '../../support/issued-tokens.ts'

/** A verifier of SPIFFE takes the JWT-SVID keys of the bundle and drops the `use` that only SPIFFE knows. */
function keysOf(issued: IssuedTokens, document: keyof IssuedTokens['published']): jose.JWK[] {
  const { keys } = JSON.parse(issued.published[document]) as jose.JSONWebKeySet
  if (document !== 'bundle') return keys
  return keys.flatMap(({ use, ...key }) => (use === 'jwt-svid' ? [key] : []))
}

/** As any stock verifier would: the published document, the issuer, the audience, the type. */
async function verify(issued: IssuedTokens, token: string, by: Verification): Promise<jose.JWTPayload> {
  const jwks = jose.createLocalJWKSet({ keys: keysOf(issued, by.document) })
  const { payload } = await jose.jwtVerify(token, jwks, {
    issuer: by.issuer,
    audience: RECEIVER,
    typ: by.typ,
    algorithms: ['ES256'],
    requiredClaims: ['exp', 'iat', 'jti', 'sub'],
    currentDate: new Date(issued.world.clock.now()),
  })
  return payload
}

interface Verification {
  readonly document: keyof IssuedTokens['published']
  readonly issuer: string
  readonly typ: string
}

const TASK_TOKEN = { document: 'accessTokens', issuer: US, typ: 'at+jwt' } as const
const JWT_SVID = { document: 'jwtSvids', issuer: `${US}/spiffe`, typ: 'JWT' } as const

describe.each([
  ['self-rooted', { mode: 'self-rooted' } as const],
  ['rooted', { mode: 'rooted', root: 'generate' } as const],
])('jose with the published keys, %s', (_, options) => {
  let issued: IssuedTokens
  beforeAll(async () => {
    issued = await issueTokens(options)
  })

  it('AT-6 verifies a task token, started and narrowed, with the JWK Set of the authorization server', async () => {
    for (const token of [issued.taskToken, issued.narrowed]) {
      const payload = await verify(issued, token, TASK_TOKEN)
      expect(payload).toMatchObject({ sub: issued.spiffeId, client_id: issued.spiffeId, task: { id: issued.task } })
      expect(payload['cnf']).toEqual({ 'x5t#S256': expect.stringMatching(/^[\w-]{43}$/) as string })
    }
  })

  it('J-11 verifies a JWT-SVID with its own JWK Set, and with the SPIFFE bundle', async () => {
    for (const document of ['jwtSvids', 'bundle'] as const) {
      expect(await verify(issued, issued.jwtSvid, { ...JWT_SVID, document })).toMatchObject({ sub: issued.spiffeId })
    }
  })

  it('IN-2 verifies a signed introspection answer with the JWK Set of the authorization server, and no other', async () => {
    const options = {
      issuer: US,
      audience: issued.spiffeId,
      typ: 'token-introspection+jwt',
      currentDate: new Date(issued.world.clock.now()),
    }
    const by = (document: keyof IssuedTokens['published']) =>
      jose.jwtVerify(issued.introspection, jose.createLocalJWKSet({ keys: keysOf(issued, document) }), options)
    const { payload } = await by('accessTokens')
    expect(payload['token_introspection']).toMatchObject({ active: true, sub: issued.spiffeId })
    await expect(by('jwtSvids')).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' })
    await expect(by('bundle')).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' })
  })

  it.each([
    ['a task token with the keys for JWT-SVIDs', 'taskToken', { ...TASK_TOKEN, document: 'jwtSvids' }],
    ['a task token with the SPIFFE bundle', 'taskToken', { ...TASK_TOKEN, document: 'bundle' }],
    ['a JWT-SVID with the keys for task tokens', 'jwtSvid', { ...JWT_SVID, document: 'accessTokens' }],
  ] as const)('finds no key for %s', async (_what, token, by) => {
    await expect(verify(issued, issued[token], by)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' })
  })

  it('takes neither for the other by issuer or type either', async () => {
    const code = 'ERR_JWT_CLAIM_VALIDATION_FAILED'
    await expect(verify(issued, issued.taskToken, { ...TASK_TOKEN, typ: 'JWT' })).rejects.toMatchObject({ code })
    await expect(verify(issued, issued.jwtSvid, { ...JWT_SVID, typ: 'at+jwt' })).rejects.toMatchObject({ code })
    await expect(verify(issued, issued.jwtSvid, { ...JWT_SVID, issuer: US })).rejects.toMatchObject({ code })
  })

  it('refuses a token whose payload was changed', async () => {
    const [header = '', payload = '', signature = ''] = issued.taskToken.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
    const wider = Buffer.from(JSON.stringify({ ...claims, scope: 'invoices:pay' })).toString('base64url')
    const changed = [header, wider, signature].join('.')
    const code = 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'
    await expect(verify(issued, changed, TASK_TOKEN)).rejects.toMatchObject({ code })
  })

  it('publishes public keys only, each with kid, alg and use, and shares none between the two documents', () => {
    const keys = (document: string) => (JSON.parse(document) as { keys: jose.JWK[] }).keys
    const [access, svid] = [keys(issued.published.accessTokens), keys(issued.published.jwtSvids)]
    for (const key of [...access, ...svid]) {
      const own = key.kty === 'RSA' ? ['e', 'n'] : ['crv', 'x', 'y']
      expect(Object.keys(key).sort()).toEqual(['alg', 'kid', 'kty', 'use', ...own].sort())
    }
    expect(access.map(({ kid }) => kid).some((kid) => svid.some((other) => other.kid === kid))).toBe(false)
  })
})
