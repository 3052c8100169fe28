import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exchangeRaw, FakeFlows, startHttp, stopHttp, type TestServer } from '../support/http.ts'
import { NO_BODY, route } from '#api/http/build-route.ts'
import { noBody, noQuery } from '#wire/index.ts'
import { testRoutes } from '../support/routes.ts'

/** One whose caller is looked at again, as that of a stream is while it goes on. */
const lasting = route({
  ...{ id: 'lasting', summary: 's', surface: 'api', callers: ['anyone'], errors: 'problem', status: 200, hot: false },
  ...{ method: 'GET', path: '/v1/lasting', takes: 'nothing', limits: NO_BODY },
  schema: { body: noBody, query: noQuery, answer: null },
  flow: async (_flows, call) => {
    const { again } = call.live()
    await again()
    return (await again()).name
  },
  render: (name) => ({ body: { name } }),
} as const)

const flows = new FakeFlows()
let server: TestServer
beforeAll(async () => {
  server = await startHttp({ routes: [...testRoutes(), lasting], flows })
})
afterAll(() => stopHttp(server))

describe('what a client says of the bundle that it holds', () => {
  it.each([
    [['17'], 17],
    [['0'], 0],
    [['9007199254740991'], Number.MAX_SAFE_INTEGER],
    [[], null],
    [[''], null],
    [['-1'], null],
    [['+1'], null],
    [['1.5'], null],
    [['0x10'], null],
    [['1e3'], null],
    [['9007199254740992'], null],
    [['9'.repeat(200)], null],
    [['many'], null],
    [['1, 2'], null],
    [['1', '2'], null],
  ])('%j is heard as %s, and refuses nobody', async (values, heard) => {
    const headers = values.map((value) => `Writ-Bundle-Sequence: ${value}\r\n`).join('')
    const answer = await exchangeRaw(server.port, `GET /v1/things?limit=7 HTTP/1.1\r\nhost: a\r\n${headers}\r\n`)
    expect(answer).toContain('200 OK')
    expect(flows.adopted.splice(0)).toEqual([{ caller: 'anonymous', sequence: heard }])
  })

  it('is heard once of a call that goes on: what it said then is not what it holds now', async () => {
    const head = 'GET /v1/lasting HTTP/1.1\r\nhost: a\r\nWrit-Bundle-Sequence: 3\r\n\r\n'
    expect(await exchangeRaw(server.port, head)).toContain('200 OK')
    expect(flows.adopted.splice(0)).toEqual([{ caller: 'anonymous', sequence: 3 }])
  })
})
