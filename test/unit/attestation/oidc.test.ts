import { createHmac } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { exportSPKI, importJWK, type CryptoKey, type JWTPayload } from 'jose'
import { oidcAttestor, type IssuerKeys, type OidcProvider } from '#attestation/index.ts'
import { after, HOUR, MINUTE, toNumericDate, type Instant } from '#kernel/instant.ts'
import { FakeRandom } from '../../fakes/random.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import {
  CLUSTER_PROVIDER,
  GITHUB,
  githubClaims,
  gitlabClaims,
  GITHUB_PROVIDER,
  oidcWith,
  podClaims,
  signedBy,
  signingKey,
  type SigningKey,
} from '../../support/oidc.ts'
import { X509_NOW as NOW } from '../../support/x509.ts'

let key: SigningKey
beforeAll(async () => {
  key = await signingKey()
})

const PROVIDERS = [GITHUB_PROVIDER, CLUSTER_PROVIDER]

function context(now: Instant = NOW, provider?: string) {
  const publicKey = new Uint8Array()
  return { csrDigest: '00'.repeat(32), publicKey, address: '192.0.2.1', now, random: new FakeRandom(), provider }
}

async function attest(token: string, now = NOW, provider?: string, providers: readonly OidcProvider[] = PROVIDERS) {
  const step = await oidcWith(providers, key).begin({ token }, context(now, provider))
  if (step.kind !== 'attested') throw new TypeError('expected no challenge')
  return step.attested
}

const attempt = (token: string, now = NOW, provider?: string) => codeOfAsync(() => attest(token, now, provider))
const withClaims = async (changes: JWTPayload) => attempt(await signedBy(key, githubClaims(NOW, changes)))

describe('the oidc attestor', () => {
  it('proves what a job of GitHub Actions is, but not what every token has', async () => {
    const { selectors, ...proof } = await attest(await signedBy(key, githubClaims(NOW)))
    expect(selectors).toContain('oidc:github:repository:octo-org/octo-repo')
    expect(selectors).toContain('oidc:github:sub:repo:octo-org/octo-repo:environment:prod')
    expect(selectors).toContain('oidc:github:ref:refs/heads/main')
    expect(selectors.filter((one) => /^oidc:github:(iss|aud|exp|iat|nbf|jti):/.test(one))).toEqual([])
    expect(proof).toBeDefined()
  })

  it('proves where a pod runs and as what', async () => {
    const proof = await attest(await signedBy(key, podClaims(NOW)))
    expect(proof.selectors).toEqual([
      'oidc:cluster:sub:system:serviceaccount:billing:invoice-bot',
      'oidc:cluster:kubernetes.io/namespace:billing',
      'oidc:cluster:kubernetes.io/serviceaccount/name:invoice-bot',
      'oidc:cluster:kubernetes.io/serviceaccount/uid:a087d5a0-e1dd-43ec-93ac-f13d89cd13af',
      'oidc:cluster:kubernetes.io/pod/name:invoice-bot-7c9f-x2x9q',
      'oidc:cluster:kubernetes.io/pod/uid:5e0bd49b-f040-43b0-99b7-22765a53f7f3',
      'oidc:cluster:kubernetes.io/node/name:node-1',
    ])
    expect(proof).toMatchObject({ attestor: 'oidc', keyClass: 'software', namedAgent: null, consumption: null })
  })

  it('shows only the claims that the provider lists, where it lists any', async () => {
    const gitlab = { ...GITHUB_PROVIDER, name: 'gitlab', issuer: 'https://gitlab.example.com' }
    const listed = { ...gitlab, claims: ['project_path', 'ref_protected', 'runner_id', 'user_identities', 'nothing'] }
    const proof = await attest(await signedBy(key, gitlabClaims(NOW)), NOW, undefined, [listed])
    expect(proof.selectors).toEqual([
      'oidc:gitlab:project_path:my-group/my-project',
      'oidc:gitlab:ref_protected:false',
      'oidc:gitlab:runner_id:1',
    ])
  })

  it.each(['RS256', 'ES256', 'ES384', 'PS256'])('takes a token that jose signed with %s', async (algorithm) => {
    const other = await signingKey('k2', algorithm)
    const token = await signedBy(other, githubClaims(NOW))
    const evidence = oidcWith(PROVIDERS, key, other).begin({ token }, context())
    expect((await evidence).kind).toBe('attested')
  })

  it('knows a token by what was signed, so that another signature over it is no other token', async () => {
    const other = await signingKey('k2', 'ES256')
    const claims = githubClaims(NOW)
    const tokens = [await signedBy(other, claims), await signedBy(other, claims)]
    expect(tokens[0]).not.toBe(tokens[1])
    const proofs = await Promise.all(tokens.map((token) => oidcWith(PROVIDERS, other).begin({ token }, context())))
    const [one, two] = proofs.map((step) => (step.kind === 'attested' ? step.attested.workload : null))
    expect(one).toMatchObject({ rule: 'once' })
    expect(one).toEqual(two)
  })

  it('knows a pod by its uid, whatever token it has', async () => {
    const workload = async (now: Instant, pod: object = {}) =>
      (await attest(await signedBy(key, podClaims(now, {}, pod)), now)).workload
    const [first, second] = [await workload(NOW), await workload(after(NOW, HOUR))]
    expect(first).toMatchObject({ rule: 'supersede', key: second?.key })
    expect(first?.evidence).not.toBe(second?.evidence)
    expect((await workload(NOW, { uid: 'other' }))?.key).not.toBe(first?.key)
  })
})

describe('a token is refused', () => {
  it.each(['iss', 'sub', 'aud', 'exp', 'iat'])('without %s', async (claim) => {
    const claims = Object.fromEntries(Object.entries(githubClaims(NOW)).filter(([name]) => name !== claim))
    expect(await attempt(await signedBy(key, claims))).toBe('JWT_CLAIM_MISSING')
    expect(await attempt(await signedBy(key, claims), NOW, 'github')).toBe('JWT_CLAIM_MISSING')
  })

  it.each<[string, JWTPayload]>([
    ['no text', { sub: 7 as unknown as string }],
    ['empty', { sub: '' }],
    ['no time', { exp: '1' as unknown as number }],
    ['a time before all time', { iat: -1 }],
  ])('with a claim that is %s', async (_what, changes) => {
    expect(await withClaims(changes)).toBe('JWT_CLAIM_INVALID')
  })

  it.each<[string, string | string[]]>([
    ['another audience', 'https://elsewhere.example.org'],
    ['ours with a slash more', 'https://id.example.org/'],
    ['another audience besides ours', ['https://id.example.org', 'https://elsewhere.example.org']],
  ])('with %s', async (_what, aud) => {
    expect(await withClaims({ aud })).toBe('JWT_AUDIENCE_WRONG')
  })

  it('of an issuer that no provider has, or of another than the named provider has', async () => {
    expect(await withClaims({ iss: 'https://elsewhere.example.org' })).toBe('OIDC_ISSUER_UNKNOWN')
    expect(await withClaims({ iss: `${GITHUB}/` })).toBe('OIDC_ISSUER_UNKNOWN')
    expect(await attempt(await signedBy(key, githubClaims(NOW)), NOW, 'cluster')).toBe('JWT_ISSUER_WRONG')
  })

  it('for a provider that does not exist, and where two have its issuer and none is named', async () => {
    const token = await signedBy(key, githubClaims(NOW))
    expect(await attempt(token, NOW, 'gitlab')).toBe('PROVIDER_UNKNOWN')
    const twice = [GITHUB_PROVIDER, { ...GITHUB_PROVIDER, name: 'github-2' }]
    expect(await codeOfAsync(() => attest(token, NOW, undefined, twice))).toBe('PROVIDER_UNKNOWN')
    expect(await codeOfAsync(() => attest(token, NOW, 'github-2', twice))).toBe('ACCEPTED')
  })

  it('that is not valid yet, by nbf or by iat', async () => {
    const later = toNumericDate(NOW) + 120
    expect(await withClaims({ nbf: later })).toBe('JWT_NOT_YET_VALID')
    expect(await withClaims({ iat: later })).toBe('JWT_NOT_YET_VALID')
  })

  it('that has expired', async () => {
    const token = await signedBy(key, githubClaims(NOW))
    expect(await attempt(token, after(NOW, 16 * MINUTE))).toBe('JWT_EXPIRED')
  })

  it('that is too old, though it has not expired', async () => {
    const token = await signedBy(key, githubClaims(NOW, { exp: toNumericDate(NOW) + 86_400 }))
    expect(await attempt(token, after(NOW, HOUR))).toBe('ACCEPTED')
    expect(await attempt(token, after(NOW, HOUR + 2 * MINUTE))).toBe('OIDC_TOKEN_TOO_OLD')
  })

  it('that does not say which pod it is for', async () => {
    expect(await attempt(await signedBy(key, podClaims(NOW, { 'kubernetes.io': {} })))).toBe('OIDC_WORKLOAD_UNKNOWN')
    expect(await attempt(await signedBy(key, podClaims(NOW, {}, { uid: '' })))).toBe('OIDC_WORKLOAD_UNKNOWN')
  })

  it('with evidence of another form', async () => {
    const begin = (evidence: Record<string, unknown>) =>
      codeOfAsync(() => oidcWith(PROVIDERS, key).begin(evidence as Record<string, string>, context()))
    for (const evidence of [{}, { token: 7 }, { token: 'x', more: 1 }]) {
      expect(await begin(evidence)).toBe('EVIDENCE_INVALID')
    }
    expect(await begin({ token: 'x' })).toBe('JWT_MALFORMED')
    expect(await begin({ token: 'x'.repeat(13_000) })).toBe('JWT_TOO_LARGE')
  })
})

describe('the signature of a token is refused', () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

  it('when there is none', async () => {
    const forged = `${part({ alg: 'none', kid: 'k1' })}.${part(githubClaims(NOW))}.`
    expect(await attempt(forged)).toBe('JWT_MALFORMED')
    expect(await attempt(`${forged}AA`)).toBe('JWT_ALGORITHM_NOT_ALLOWED')
  })

  it("when it is an HMAC with the issuer's public key as its secret", async () => {
    const spki = await exportSPKI((await importJWK(key.jwk, 'RS256')) as CryptoKey)
    for (const alg of ['HS256', 'HS512']) {
      const input = `${part({ alg, kid: 'k1', typ: 'JWT' })}.${part(githubClaims(NOW))}`
      const mac = createHmac(alg === 'HS256' ? 'sha256' : 'sha512', spki)
        .update(input)
        .digest('base64url')
      expect(await attempt(`${input}.${mac}`)).toBe('JWT_ALGORITHM_NOT_ALLOWED')
    }
  })

  it.each(['ES256', 'RS512', 'PS256', 'EdDSA'])('when it says %s and the key is for RS256', async (alg) => {
    const [, payload = '', signature = ''] = (await signedBy(key, githubClaims(NOW))).split('.')
    const forged = `${part({ alg, kid: 'k1', typ: 'JWT' })}.${payload}.${signature}`
    expect(await attempt(forged)).toBe('JWT_ALGORITHM_NOT_ALLOWED')
  })

  it('when a key of somebody else made it, under the name of a key of the issuer, or names a key of nobody', async () => {
    const stranger = await signingKey('k1')
    expect(await attempt(await signedBy(stranger, githubClaims(NOW)))).toBe('JWT_SIGNATURE_INVALID')
    const unknown = await signingKey('k9')
    expect(await attempt(await signedBy(unknown, githubClaims(NOW)))).toBe('JWT_KEY_UNKNOWN')
  })

  it('when the token brings its key along, or does not say which it is', async () => {
    const stranger = await signingKey('k1')
    const jwk = await signedBy(stranger, githubClaims(NOW), { jwk: stranger.jwk })
    expect(await attempt(jwk)).toBe('JWT_HEADER_NOT_ALLOWED')
    const jku = await signedBy(stranger, githubClaims(NOW), { jku: 'https://evil.example.org/jwks' })
    expect(await attempt(jku)).toBe('JWT_HEADER_NOT_ALLOWED')
    expect(await attempt(await signedBy(key, githubClaims(NOW), { kid: undefined }))).toBe('JWT_KEY_ID_MISSING')
  })

  it('before any key is asked for, when a claim is wrong', async () => {
    const keys: IssuerKeys = { verifyWith: () => Promise.reject(new TypeError('nobody may ask')) }
    const attestor = oidcAttestor({ providers: PROVIDERS, keys })
    const token = await signedBy(key, githubClaims(NOW, { aud: 'https://elsewhere.example.org' }))
    expect(await codeOfAsync(() => attestor.begin({ token }, context()))).toBe('JWT_AUDIENCE_WRONG')
  })
})
