import { describe, expect, it } from 'vitest'
import { authenticationError } from '#authentication/index.ts'
import { RateLimit } from '#api/http/index.ts'
import { FakeFlows, LOCAL_ADMIN, startHttp, stopHttp } from '../support/http.ts'
import { testRoutes } from '../support/routes.ts'

describe('rate limits', () => {
  it('stop an unknown caller after the burst, say when to come back, and let go then', async () => {
    const limits = { address: new RateLimit({ rate: 1, burst: 3 }), identity: new RateLimit({ rate: 1, burst: 3 }) }
    const server = await startHttp({ routes: testRoutes(), flows: new FakeFlows(), limits })
    const get = () => fetch(`${server.origin}/v1/things`)
    expect([(await get()).status, (await get()).status, (await get()).status]).toEqual([200, 200, 200])
    const refused = await get()
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
    server.clock.advance(1_000)
    expect((await get()).status).toBe(200)
    await stopHttp(server)
  })

  it('count certificates that are refused against the address', async () => {
    const flows = new FakeFlows()
    flows.fail = authenticationError('CLIENT_CERTIFICATE_UNTRUSTED')
    const limits = { address: new RateLimit({ rate: 1, burst: 2 }), identity: new RateLimit({ rate: 1, burst: 2 }) }
    const server = await startHttp({ routes: testRoutes(), flows, limits })
    const statuses = []
    for (let index = 0; index < 4; index++) statuses.push((await fetch(`${server.origin}/v1/things`)).status)
    expect(statuses).toEqual([401, 401, 429, 429])
    await stopHttp(server)
  })

  it('know a caller by name once there is one', async () => {
    const flows = new FakeFlows()
    flows.identity = LOCAL_ADMIN
    const limits = { address: new RateLimit({ rate: 1, burst: 1 }), identity: new RateLimit({ rate: 1, burst: 5 }) }
    const server = await startHttp({ routes: testRoutes(), flows, limits })
    const statuses = []
    for (let index = 0; index < 6; index++) statuses.push((await fetch(`${server.origin}/v1/things`)).status)
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429])
    await stopHttp(server)
  })
})
