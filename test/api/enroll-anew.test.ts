import Database from 'better-sqlite3'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import { enroll, identityHome, IdentityKeeper, PrivateFolder, trustOfBundle, type Identity } from '#client/index.ts'
import { HOUR, instant } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { TestIssuer } from '../support/issuer.ts'
import { podClaims } from '../support/oidc.ts'
import { TestHouse } from '../support/server.ts'

const clock = new SystemClock()
const random = new SystemRandom()

let cwd: string
let cluster: TestIssuer
let house: TestHouse
let file: string
let count = 0

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'writ-anew-'))
  file = join(cwd, 'token')
  cluster = await TestIssuer.start('localhost')
  writeFileSync(join(cwd, 'cluster.jwks'), JSON.stringify(cluster.jwks))
  house = await TestHouse.start({
    attestors: {
      oidc: [
        {
          name: 'cluster',
          issuer: cluster.issuer,
          jwks_file: join(cwd, 'cluster.jwks'),
          use: 'while_valid',
          supersedes_by: ['kubernetes.io/pod/uid'],
        },
      ],
    },
  })
  const selectors = ['oidc:cluster:kubernetes.io/namespace:billing']
  await house.admin('/v1/agents', { json: { name: 'bot', owner: 'team', selectors, max_attestation_age: 3600 } })
})
afterAll(async () => {
  await house.stop()
  await cluster.close()
  rmSync(cwd, { recursive: true })
})
beforeEach(() => projectToken())

/** What the kubelet does now and then. */
async function projectToken(): Promise<void> {
  const claims = podClaims(instant(Date.now()), { iss: cluster.issuer, jti: `token-${String(count++)}` })
  writeFileSync(file, await cluster.sign(claims))
}

/** With the token that is in the file at that moment. */
const enrollAnew = vi.fn((): Promise<Identity> =>
  enroll({
    server: `https://localhost:${String(house.port)}`,
    trust: trustOfBundle('example.org', house.bundle),
    evidence: { attestor: 'oidc', token: new Secret(readFileSync(file, 'utf8')) },
    clock,
  }),
)

async function newKeeper(anew: boolean): Promise<IdentityKeeper> {
  const folders = [identityHome(join(cwd, `home-${String(count++)}`))] as const
  const how = { clock, random, folders, renewed: vi.fn(), failed: vi.fn() }
  const identity = await enrollAnew()
  enrollAnew.mockClear()
  return new IdentityKeeper(identity, { ...how, ...(anew ? { enrollAnew } : {}) })
}

/** As if the enrollment had been so long ago. */
function age(instance: string, milliseconds: number): void {
  const database = new Database(join(house.data, 'writ.db'))
  database.prepare('UPDATE Instance SET attestedAt = attestedAt - ? WHERE id = ?').run(milliseconds, instance)
  database.close()
}

describe('an identity whose evidence can be shown again', () => {
  it('is renewed as long as the server renews it', async () => {
    const keeper = await newKeeper(true)
    const { instance } = keeper.identity
    await keeper.renew()
    expect(keeper.identity.instance).toBe(instance)
    expect(enrollAnew).not.toHaveBeenCalled()
    await keeper.close()
  })

  it('is enrolled anew, with the token of that moment, once its attestation is too old', async () => {
    const keeper = await newKeeper(true)
    const { instance } = keeper.identity
    age(instance, 2 * HOUR)
    await projectToken()
    await keeper.renew()
    expect(enrollAnew).toHaveBeenCalledOnce()
    expect(keeper.identity.instance).not.toBe(instance)
    await keeper.renew()
    expect(enrollAnew).toHaveBeenCalledOnce()
    await keeper.close()
  })

  it('promise 11: does not write its key again where the files were taken away before the new one came', async () => {
    const folder = new PrivateFolder()
    let arrive = (_identity: Identity): void => undefined
    const late = vi.fn(() => new Promise<Identity>((resolve) => (arrive = resolve)))
    const how = { clock, random, folders: [folder] as const, renewed: vi.fn(), failed: vi.fn() }
    const [first, second] = [await enrollAnew(), await enrollAnew()]
    enrollAnew.mockClear()
    const keeper = new IdentityKeeper(second, { ...how, enrollAnew: late })
    age(second.instance, 2 * HOUR)
    const renewal = codeOfAsync(() => keeper.renew())
    await vi.waitUntil(() => late.mock.calls.length === 1)
    await keeper.close()
    folder.remove()
    arrive(first)
    expect(await renewal).toBe('IDENTITY_CLOSED')
    expect(existsSync(folder.path)).toBe(false)
    expect(how.renewed).not.toHaveBeenCalled()
  })

  it('keeps a renewal that is under way when it is closed', async () => {
    const keeper = await newKeeper(true)
    const { serial } = keeper.identity
    const renewal = keeper.renew()
    await keeper.close()
    await renewal
    expect(keeper.identity.serial).not.toBe(serial)
  })

  it('stays ended when another enrollment has taken its place: two copies would throw each other out for ever', async () => {
    const keeper = await newKeeper(true)
    const other = await newKeeper(true)
    expect(await codeOfAsync(() => keeper.renew())).not.toBe('ACCEPTED')
    expect(enrollAnew).not.toHaveBeenCalled()
    await Promise.all([keeper.close(), other.close()])
  })

  it('is not enrolled anew where nobody said how', async () => {
    const keeper = await newKeeper(false)
    age(keeper.identity.instance, 2 * HOUR)
    expect(await codeOfAsync(() => keeper.renew())).toBe('ATTESTATION_TOO_OLD')
    expect(enrollAnew).not.toHaveBeenCalled()
    await keeper.close()
  })
})
