import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { instant } from '#kernel/instant.ts'
import { createCsr, toPem } from '#x509/index.ts'
import { DISCOVERY_PATH, TestIssuer } from '../support/issuer.ts'
import { newTestKey } from '../support/keys.ts'
import { githubClaims, podClaims } from '../support/oidc.ts'
import { TestHouse } from '../support/server.ts'

const folder = mkdtempSync(join(tmpdir(), 'writ-oidc-'))
let issuer: TestIssuer
let cluster: TestIssuer
let broken: TestIssuer
let house: TestHouse

beforeAll(async () => {
  const start = () => TestIssuer.start('localhost')
  ;[issuer, cluster, broken] = await Promise.all([start(), start(), start()])
  const at = (name: string, one: TestIssuer) => {
    const file = join(folder, `${name}.pem`)
    writeFileSync(file, one.authority.pem)
    return { name, issuer: one.issuer, ca_file: file, allow_private: true }
  }
  writeFileSync(join(folder, 'cluster.jwks'), JSON.stringify(cluster.jwks))
  broken.answers.set(DISCOVERY_PATH, (_request, response) => {
    response.writeHead(302, { location: '/elsewhere' }).end()
  })
  const pinned = at('cluster', cluster)
  house = await TestHouse.start({
    attestors: {
      oidc: [
        { ...at('github', issuer), use: 'single' },
        { ...at('private', issuer), allow_private: false, use: 'single' },
        { ...at('broken', broken), use: 'single' },
        {
          ...pinned,
          ca_file: undefined,
          jwks_file: join(folder, 'cluster.jwks'),
          use: 'while_valid',
          supersedes_by: ['kubernetes.io/pod/uid'],
        },
      ],
    },
  })
  const add = (name: string, selector: string) =>
    house.admin('/v1/agents', { json: { name, owner: 'team', selectors: [selector] } })
  await add('deploy', 'oidc:github:repository:octo-org/octo-repo')
  await add('invoice-bot', 'oidc:cluster:kubernetes.io/namespace:billing')
})
afterAll(async () => {
  await house.stop()
  await Promise.all([issuer, cluster, broken].map((one) => one.close()))
  rmSync(folder, { recursive: true })
})

const now = () => instant(Date.now())
const job = (changes = {}) => issuer.sign(githubClaims(now(), { iss: issuer.issuer, ...changes }))
const newCsr = async () => toPem('CERTIFICATE REQUEST', await createCsr(newTestKey().signer))

async function enroll(token: string, more: { provider?: string; csr?: string } = {}) {
  const { provider, csr = await newCsr() } = more
  const json = { attestor: 'oidc', evidence: { token }, csr, ...(provider === undefined ? {} : { provider }) }
  return house.ask('/v1/enroll', { json })
}

const refusal = async (token: string, provider = 'github') => {
  const { status, body } = await enroll(token, { provider })
  return [status, body['code']]
}

describe('POST /v1/enroll with an identity token', () => {
  it('answers with the first certificate, after discovery at the issuer', async () => {
    const { status, body } = await enroll(await job(), { provider: 'github' })
    expect([status, body['spiffe_id']]).toEqual([
      201,
      expect.stringMatching(/^spiffe:\/\/example\.org\/agent\/deploy\/i-/),
    ])
    expect(issuer.asked.slice(0, 2)).toEqual([DISCOVERY_PATH, '/jwks'])
  })

  it('takes a token once, and answers again to the same request', async () => {
    const [token, csr] = [await job({ jti: 'once' }), await newCsr()]
    const first = await enroll(token, { provider: 'github', csr })
    const again = await enroll(token, { provider: 'github', csr })
    expect(again.body['serial']).toBe(first.body['serial'])
    expect(await refusal(token)).toEqual([403, 'EVIDENCE_USED'])
  })

  it('finds the provider by the issuer, where one only has it', async () => {
    const claims = podClaims(now(), { iss: cluster.issuer, jti: 'a' })
    const { status, body } = await enroll(await cluster.sign(claims))
    expect([status, body['spiffe_id']]).toEqual([201, expect.stringContaining('/agent/invoice-bot/')])
    expect(cluster.asked).toEqual([])
    expect((await enroll(await job({ jti: 'b' }))).body['code']).toBe('PROVIDER_UNKNOWN')
  })

  it('replaces the instance of a pod', async () => {
    const pod = async (jti: string) => cluster.sign(podClaims(now(), { iss: cluster.issuer, jti }))
    const first = await enroll(await pod('c'))
    const second = await enroll(await pod('d'))
    const { body } = await house.admin('/v1/instances?limit=1000')
    const states = new Map((body['items'] as { id: string; state: string }[]).map(({ id, state }) => [id, state]))
    expect(states.get(String(first.body['instance']))).toBe('superseded')
    expect(states.get(String(second.body['instance']))).toBe('active')
  })

  it.each<[string, object, number, string]>([
    ['for another audience', { aud: 'https://elsewhere.example.org' }, 400, 'JWT_AUDIENCE_WRONG'],
    ['that has expired', { exp: 1_700_000_000 }, 400, 'JWT_EXPIRED'],
    ['of another issuer', { iss: 'https://elsewhere.example.org' }, 400, 'JWT_ISSUER_WRONG'],
    ['of another repository', { repository: 'octo-org/fork' }, 403, 'AGENT_NOT_MATCHED'],
  ])('refuses one %s', async (_what, changes, status, code) => {
    expect(await refusal(await job({ jti: 'e', ...changes }))).toEqual([status, code])
  })

  it('says what is wrong with an issuer, and to come back', async () => {
    const { status, body, headers } = await enroll(await broken.sign(githubClaims(now(), { iss: broken.issuer })))
    expect([status, body['code'], headers['retry-after']]).toEqual([503, 'OUTBOUND_REDIRECTED', '10'])
    expect(broken.asked).toEqual([DISCOVERY_PATH])
  })

  it('does not go to a private address that is not allowed', async () => {
    expect(await refusal(await job({ jti: 'f' }), 'private')).toEqual([503, 'OUTBOUND_ADDRESS_FORBIDDEN'])
  })

  it('explains a token to an operator, and leaves it to be used', async () => {
    const token = await job({ jti: 'g', repository: 'octo-org/fork' })
    const json = { attestor: 'oidc', provider: 'github', evidence: { token } }
    const { status, body } = await house.admin('/v1/agents/explain', { json })
    expect(status).toBe(200)
    expect(JSON.stringify(body)).toContain('the evidence has no oidc:github:repository:octo-org/octo-repo')
  })

  it('promise 11: writes no token to the log', async () => {
    const token = await job({ jti: 'h', repository: 'octo-org/fork' })
    await enroll(token, { provider: 'github' })
    expect(house.logged.length).toBeGreaterThan(0)
    expect(house.logged.join('')).not.toContain(token.slice(-60))
  })
})
