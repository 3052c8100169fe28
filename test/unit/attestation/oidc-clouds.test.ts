import { beforeAll, describe, expect, it } from 'vitest'
import type { JWTPayload } from 'jose'
import type { OidcProvider } from '#attestation/index.ts'
import { HOUR, toNumericDate } from '#kernel/instant.ts'
import { FakeRandom } from '../../fakes/random.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { CLUSTER_PROVIDER, OUR_AUDIENCE, oidcWith, signedBy, signingKey, type SigningKey } from '../../support/oidc.ts'
import { X509_NOW as NOW } from '../../support/x509.ts'

const at = toNumericDate(NOW)
const TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47'
const MACHINE = `/subscriptions/3dbb1e0a/resourcegroups/billing/providers/Microsoft.Compute/virtualMachines/vm-7`
const STS = 'https%3A%2F%2Fsts.amazonaws.com%2F'

interface Cloud {
  readonly provider: OidcProvider
  readonly claims: JWTPayload
  readonly selectors: readonly string[]
  /** The claims of another machine with the same account. */
  readonly neighbour: JWTPayload
  /** Its token without the claim that says which machine it is. */
  readonly nowhere: JWTPayload
}

function provider(name: string, issuer: string, machine: string, claims: readonly string[] | null): OidcProvider {
  return { ...CLUSTER_PROVIDER, name, issuer, maxTokenAge: 25 * HOUR, claims, supersedesBy: [machine] }
}

/** The `google` claim is in tokens of format=full. */
function gcp(): Cloud {
  const engine = {
    project_id: 'my-project',
    project_number: 739419398126,
    zone: 'us-west1-a',
    instance_id: '152986662232938449',
    instance_name: 'billing-7',
    instance_creation_timestamp: 1504465853,
  }
  const claims = {
    iss: 'https://accounts.google.com',
    iat: at,
    exp: at + 3600,
    aud: OUR_AUDIENCE,
    sub: '107517467455664443765',
    azp: '107517467455664443765',
    email: 'billing@my-project.iam.gserviceaccount.com',
    email_verified: true,
  }
  const id = 'google/compute_engine/instance_id'
  const shown = ['email', 'google/compute_engine/project_id', id]
  return {
    provider: provider('gcp', claims.iss, id, shown),
    claims: { ...claims, google: { compute_engine: engine } },
    neighbour: { ...claims, google: { compute_engine: { ...engine, instance_id: '9' } } },
    nowhere: claims,
    selectors: [
      'oidc:gcp:email:billing@my-project.iam.gserviceaccount.com',
      'oidc:gcp:google/compute_engine/project_id:my-project',
      'oidc:gcp:google/compute_engine/instance_id:152986662232938449',
    ],
  }
}

function azure(issuer: string, ver: string): Cloud {
  const claims = {
    aud: OUR_AUDIENCE,
    iss: issuer,
    iat: at,
    nbf: at,
    exp: at + 86_400,
    aio: 'k2RgYPgs',
    appid: '2d3b6d5c-5c0a-4e7e-9f3c-7f1c2c3d4e5f',
    appidacr: '2',
    idp: `https://sts.windows.net/${TENANT}/`,
    idtyp: 'app',
    oid: '0b7f4c4e-8a4e-4b1d-9a3f-5b2f1f6b7c8d',
    sub: '0b7f4c4e-8a4e-4b1d-9a3f-5b2f1f6b7c8d',
    tid: TENANT,
    ver,
  }
  const xms_mirid = MACHINE
  return {
    provider: provider('azure', issuer, 'xms_mirid', ['tid', 'oid', 'xms_mirid']),
    claims: { ...claims, xms_mirid },
    neighbour: { ...claims, xms_mirid: `${xms_mirid}1` },
    nowhere: claims,
    selectors: [`oidc:azure:tid:${TENANT}`, `oidc:azure:oid:${claims.oid}`, `oidc:azure:xms_mirid:${MACHINE}`],
  }
}

/** What the cloud says is nested in a claim whose name is a URL. */
function aws(): Cloud {
  const instance = 'arn:aws:ec2:us-east-1:123456789012:instance/i-0abc'
  const session = {
    aws_account: '123456789012',
    source_region: 'us-east-1',
    principal_id: 'arn:aws:iam::123456789012:role/billing',
    ec2_source_instance_arn: instance,
  }
  const claims = {
    aud: OUR_AUDIENCE,
    iss: 'https://a1b2c3d4-e5f6-4a5b-8c9d-0e1f2a3b4c5d.tokens.sts.global.api.aws',
    sub: session.principal_id,
    iat: at,
    exp: at + 300,
    jti: 'f3a1d5e0',
  }
  const machine = `${STS}/ec2_source_instance_arn`
  return {
    provider: provider('aws', claims.iss, machine, ['sub', `${STS}/aws_account`, machine]),
    claims: { ...claims, 'https://sts.amazonaws.com/': session },
    neighbour: { ...claims, 'https://sts.amazonaws.com/': { ...session, ec2_source_instance_arn: `${instance}d` } },
    nowhere: claims,
    selectors: [
      `oidc:aws:sub:${session.principal_id}`,
      `oidc:aws:${STS}/aws_account:123456789012`,
      `oidc:aws:${machine}:${instance}`,
    ],
  }
}

let key: SigningKey
beforeAll(async () => {
  key = await signingKey()
})

async function attest({ provider: configured }: Cloud, claims: JWTPayload) {
  const context = { csrDigest: '00'.repeat(32), publicKey: new Uint8Array(), address: '192.0.2.1', now: NOW }
  const token = await signedBy(key, claims)
  const step = await oidcWith([configured], key).begin(
    { token },
    { ...context, random: new FakeRandom(), provider: undefined },
  )
  if (step.kind !== 'attested') throw new TypeError('expected no challenge')
  return step.attested
}

describe.each([
  ['Google Compute Engine', gcp()],
  ['Azure, a managed identity (v1)', azure(`https://sts.windows.net/${TENANT}/`, '1.0')],
  ['Azure, a managed identity (v2)', azure(`https://login.microsoftonline.com/${TENANT}/v2.0`, '2.0')],
  ['AWS, a web identity', aws()],
])('a token of %s', (_cloud, cloud) => {
  it('proves the account and the machine', async () => {
    expect((await attest(cloud, cloud.claims)).selectors).toEqual(cloud.selectors)
  })

  it('supersedes the instance of the same machine, and of no other', async () => {
    const first = (await attest(cloud, cloud.claims)).workload
    const again = (await attest(cloud, { ...cloud.claims, exp: at + 200 })).workload
    const neighbour = (await attest(cloud, cloud.neighbour)).workload
    expect(first?.rule).toBe('supersede')
    expect(again?.key).toBe(first?.key)
    expect(again?.evidence).not.toBe(first?.evidence)
    expect(neighbour?.key).not.toBe(first?.key)
  })

  it('enrolls nobody when it does not say which machine it is', async () => {
    expect(await codeOfAsync(() => attest(cloud, cloud.nowhere))).toBe('OIDC_WORKLOAD_UNKNOWN')
  })

  it('of another issuer is refused', async () => {
    expect(await codeOfAsync(() => attest(cloud, { ...cloud.claims, iss: 'https://evil.example' }))).toBe(
      'OIDC_ISSUER_UNKNOWN',
    )
  })
})
