import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exchangeRaw, FakeFlows, startHttp, stopHttp, type TestServer } from '../support/http.ts'
import { testRoutes } from '../support/routes.ts'

const flows = new FakeFlows()
let server: TestServer
beforeAll(async () => {
  server = await startHttp({ routes: testRoutes(), flows })
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
})
