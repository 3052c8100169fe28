import { MINUTE, SECOND } from '#kernel/instant.ts'
import { RefreshingTrust } from '#receiver/index.ts'
import { beforeAll, describe, expect, it } from 'vitest'
import { FakeClock } from '../../fakes/clock.ts'
import { codeOf, codeOfAsync } from '../../support/code-of.ts'
import { ReceiverSetup, TRUST_DOMAIN } from '../../support/receiver-setup.ts'
import type { TestLeaf } from '../../support/test-authority.ts'
import { NOW } from '../../support/tokens.ts'

let setup: ReceiverSetup
let agent: TestLeaf

beforeAll(async () => {
  setup = await ReceiverSetup.create()
  agent = await setup.agent()
})

describe('the trust of a receiver', () => {
  class Server {
    documents = setup.documents()
    away = false
    fetches = 0

    bundle = (): Promise<string> => {
      this.fetches++
      return this.away ? Promise.reject(new TypeError('away')) : Promise.resolve(String(this.documents.bundle))
    }

    jwks = (): Promise<string> => Promise.resolve(String(this.documents.jwks))
  }

  function refreshing(server: Server, clock: FakeClock, failures: unknown[] = []): RefreshingTrust {
    return new RefreshingTrust({
      trustDomain: TRUST_DOMAIN,
      fetchBundle: server.bundle,
      fetchJwks: server.jwks,
      clock,
      maxStaleness: 5 * MINUTE,
      onFailure: (error) => failures.push(error),
    })
  }

  it('is missing before the first refresh', () => {
    expect(codeOf(() => refreshing(new Server(), new FakeClock()).current())).toBe('RECEIVER_TRUST_MISSING')
  })

  it('serves the old view while the server is away, and nothing once that is too old', async () => {
    const [server, clock] = [new Server(), new FakeClock()]
    const trust = refreshing(server, clock)
    await trust.refresh()
    const first = trust.current()
    server.away = true
    clock.advance(5 * MINUTE)
    await expect(trust.refresh()).rejects.toThrow()
    expect(trust.current()).toBe(first)
    clock.advance(1)
    expect(codeOf(() => trust.current())).toBe('RECEIVER_TRUST_STALE')
    server.away = false
    await trust.refresh()
    expect(codeOf(() => trust.current())).toBe('ACCEPTED')
  })

  it('promise 12 does not get young again when the wall clock goes back', async () => {
    const [server, clock] = [new Server(), new FakeClock(NOW)]
    const trust = refreshing(server, clock)
    await trust.refresh()
    clock.advance(6 * MINUTE)
    clock.set(NOW)
    expect(codeOf(() => trust.current())).toBe('RECEIVER_TRUST_STALE')
  })

  it('F-12 never goes back to an older bundle', async () => {
    const server = new Server()
    server.documents = setup.documents(7n)
    const trust = refreshing(server, new FakeClock())
    await trust.refresh()
    server.documents = setup.documents(6n, [])
    expect(await codeOfAsync(() => trust.refresh())).toBe('RECEIVER_BUNDLE_ROLLBACK')
    expect(trust.current().anchors).toHaveLength(1)
  })

  it('takes a view whole or not at all', async () => {
    const server = new Server()
    const trust = refreshing(server, new FakeClock())
    await trust.refresh()
    server.documents = { bundle: setup.documents(2n, []).bundle, jwks: '{"keys":7}' }
    expect(await codeOfAsync(() => trust.refresh())).toBe('JWKS_MALFORMED')
    expect(trust.current().bundle.sequence).toBe(1n)
  })

  it('B-5 trusts nobody with an empty bundle', async () => {
    const server = new Server()
    server.documents = setup.documents(1n, [])
    const trust = refreshing(server, setup.clock)
    await trust.refresh()
    expect(codeOf(() => setup.receiver({ trust }).verifyCertificate([agent.certificate]))).toBe(
      'RECEIVER_CERTIFICATE_INVALID',
    )
  })

  it('runs one refresh at a time', async () => {
    const server = new Server()
    const trust = refreshing(server, new FakeClock())
    await Promise.all([trust.refresh(), trust.refresh(), trust.refresh()])
    expect(server.fetches).toBe(1)
  })

  it('F-10 follows the refresh hint, and looks three times within the limit', async () => {
    const server = new Server()
    const trust = refreshing(server, new FakeClock())
    expect(trust.interval).toBe(100 * SECOND)
    await trust.refresh()
    expect(trust.interval).toBe(60 * SECOND)
  })

  it('B-7 asks again after five minutes where the bundle has no hint', async () => {
    const server = new Server()
    const hinted = JSON.parse(String(server.documents.bundle)) as Record<string, unknown>
    const unhinted = { ...hinted, spiffe_refresh_hint: undefined }
    server.documents = { ...server.documents, bundle: JSON.stringify(unhinted) }
    const trust = new RefreshingTrust({
      trustDomain: TRUST_DOMAIN,
      fetchBundle: server.bundle,
      fetchJwks: server.jwks,
      clock: new FakeClock(),
      maxStaleness: 60 * MINUTE,
    })
    expect(trust.interval).toBe(5 * MINUTE)
    await trust.refresh()
    expect(trust.interval).toBe(5 * MINUTE)
    server.documents = { ...server.documents, bundle: JSON.stringify(hinted) }
    await trust.refresh()
    expect(trust.interval).toBe(60 * SECOND)
  })

  it('goes on after a failure, tells of it, and stops when closed', async () => {
    const server = new Server()
    const failures: unknown[] = []
    server.documents = {
      ...server.documents,
      bundle: String(server.documents.bundle).replace('"spiffe_refresh_hint":60', '"spiffe_refresh_hint":1'),
    }
    const trust = refreshing(server, new FakeClock(), failures)
    await trust.start()
    server.away = true
    await expect.poll(() => failures.length, { timeout: 5_000 }).toBeGreaterThan(0)
    trust.close()
    const fetches = server.fetches
    await new Promise((resolve) => setTimeout(resolve, 1_300))
    expect(server.fetches).toBe(fetches)
  })
})
