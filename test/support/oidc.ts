import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose'
import { oidcAttestor, type Attestor, type IssuerKeys, type OidcProvider } from '#attestation/index.ts'
import { decodeJwks } from '#jwt/index.ts'
import { HOUR, toNumericDate, type Instant } from '#kernel/instant.ts'

export const GITHUB = 'https://token.actions.githubusercontent.com'
export const CLUSTER = 'https://kubernetes.default.svc.cluster.local'
export const OUR_AUDIENCE = 'https://id.example.org'

export const GITHUB_PROVIDER: OidcProvider = {
  name: 'github',
  issuer: GITHUB,
  audience: OUR_AUDIENCE,
  use: 'single',
  maxTokenAge: HOUR,
  claims: null,
  supersedesBy: [],
}

export const CLUSTER_PROVIDER: OidcProvider = {
  name: 'cluster',
  issuer: CLUSTER,
  audience: OUR_AUDIENCE,
  use: 'while_valid',
  maxTokenAge: 24 * HOUR,
  claims: null,
  supersedesBy: ['kubernetes.io/pod/uid'],
}

export interface SigningKey {
  readonly kid: string
  readonly algorithm: string
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

export async function signingKey(kid = 'k1', algorithm = 'RS256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  return { kid, algorithm, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: algorithm } }
}

export async function signedBy(key: SigningKey, claims: JWTPayload, header: object = {}): Promise<string> {
  const protectedHeader = { alg: key.algorithm, kid: key.kid, typ: 'JWT', ...header }
  return new SignJWT(claims).setProtectedHeader(protectedHeader).sign(key.privateKey)
}

/** The keys of every issuer, at hand. */
export function heldKeys(...keys: readonly SigningKey[]): IssuerKeys {
  const set = decodeJwks(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }))
  return { verifyWith: (_issuer, verify) => Promise.resolve().then(() => verify(set)) }
}

export function oidcWith(providers: readonly OidcProvider[], ...keys: readonly SigningKey[]): Attestor {
  return oidcAttestor({ providers, keys: heldKeys(...keys) })
}

/** The documented claims of a token of GitHub Actions (docs.github.com, OpenID Connect reference). */
export function githubClaims(now: Instant, changes: JWTPayload = {}): JWTPayload {
  const at = toNumericDate(now)
  return {
    jti: 'example-id',
    sub: 'repo:octo-org/octo-repo:environment:prod',
    environment: 'prod',
    aud: OUR_AUDIENCE,
    ref: 'refs/heads/main',
    sha: 'example-sha',
    repository: 'octo-org/octo-repo',
    repository_owner: 'octo-org',
    actor_id: '12',
    repository_visibility: 'private',
    repository_id: '74',
    repository_owner_id: '65',
    run_id: 'example-run-id',
    run_number: '10',
    run_attempt: '2',
    runner_environment: 'github-hosted',
    actor: 'octocat',
    workflow: 'example-workflow',
    head_ref: '',
    base_ref: '',
    event_name: 'workflow_dispatch',
    ref_type: 'branch',
    job_workflow_ref: 'octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main',
    iss: GITHUB,
    nbf: at - 5,
    exp: at + 900,
    iat: at,
    ...changes,
  }
}

/** The documented claims of a job token of GitLab (docs.gitlab.com, OpenID Connect in CI/CD). */
export function gitlabClaims(now: Instant, changes: JWTPayload = {}): JWTPayload {
  const at = toNumericDate(now)
  return {
    namespace_id: '72',
    namespace_path: 'my-group',
    project_id: '20',
    project_path: 'my-group/my-project',
    user_id: '1',
    user_login: 'sample-user',
    user_email: 'sample-user@example.com',
    user_access_level: 'developer',
    user_identities: [{ provider: 'github', extern_uid: '2435223452345' }],
    pipeline_id: '574',
    pipeline_source: 'push',
    job_id: '302',
    ref: 'feature-branch-1',
    ref_type: 'branch',
    ref_path: 'refs/heads/feature-branch-1',
    ref_protected: 'false',
    groups_direct: ['my-group/sub-group'],
    environment: 'test-environment2',
    environment_protected: 'false',
    runner_id: 1,
    runner_environment: 'self-hosted',
    sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
    project_visibility: 'public',
    ci_config_ref_uri: 'gitlab.example.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main',
    iss: 'https://gitlab.example.com',
    iat: at,
    nbf: at - 5,
    exp: at + 3600,
    sub: 'project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1',
    aud: OUR_AUDIENCE,
    jti: '235b3a54-b797-45c7-ae9a-f72d7bc6ef5b',
    ...changes,
  }
}

/** The documented claims of a projected service account token (kubernetes.io, bound service account tokens). */
export function podClaims(now: Instant, changes: JWTPayload = {}, pod: object = {}): JWTPayload {
  const at = toNumericDate(now)
  return {
    aud: [OUR_AUDIENCE],
    exp: at + 3607,
    iat: at,
    iss: CLUSTER,
    jti: 'ed4a8e0b-4d5e-4a22-8a83-4a38c2f4c7a5',
    'kubernetes.io': {
      namespace: 'billing',
      node: { name: 'node-1', uid: '646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1' },
      pod: { name: 'invoice-bot-7c9f-x2x9q', uid: '5e0bd49b-f040-43b0-99b7-22765a53f7f3', ...pod },
      serviceaccount: { name: 'invoice-bot', uid: 'a087d5a0-e1dd-43ec-93ac-f13d89cd13af' },
      warnafter: at + 3600,
    },
    nbf: at,
    sub: 'system:serviceaccount:billing:invoice-bot',
    ...changes,
  }
}
