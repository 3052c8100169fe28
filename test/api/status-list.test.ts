import { inflateSync } from 'node:zlib'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeJwks, readStatusList } from '#jwt/index.ts'
import { instant } from '#kernel/instant.ts'
import { eventually, takeToken } from '../support/api-tokens.ts'
import { TestHouse, type Enrolled, type Reply } from '../support/server.ts'

let house: TestHouse
let bot: Enrolled

beforeAll(async () => {
  house = await TestHouse.start()
  await house.register('invoice-bot')
  bot = await house.enroll('invoice-bot')
})

afterAll(async () => {
  await house.stop()
})

async function keys(): Promise<JSONWebKeySet> {
  return (await house.ask('/oauth2/jwks')).body as unknown as JSONWebKeySet
}

const listOf = (uri: string, of = house): Promise<Reply> => of.ask(new URL(uri).pathname)

/** What a stranger does who has read the specification, and nothing of ours. */
async function statusByHand(jwt: string, uri: string, index: number): Promise<number> {
  const { payload } = await jwtVerify(jwt, createLocalJWKSet(await keys()), { typ: 'statuslist+jwt', subject: uri })
  const { bits, lst } = payload['status_list'] as { bits: number; lst: string }
  expect(bits).toBe(1)
  const octets = inflateSync(Buffer.from(lst, 'base64url'))
  return ((octets[Math.floor(index / 8)] ?? 0) >> (index % 8)) & 1
}

describe('GET /status/{list}', () => {
  it('SL-1 SL-2 SL-3 a token names its list, which a stranger fetches, verifies with jose, and reads', async () => {
    const token = await takeToken(house, bot)
    expect(token.status.uri).toBe('https://id.example.org/status/0')
    const reply = await listOf(token.status.uri)
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toBe('application/statuslist+jwt')
    expect(reply.headers['cache-control']).toMatch(/^public, max-age=([1-9]|1[0-5])$/)
    expect(await statusByHand(String(reply.body['text']), token.status.uri, token.status.idx)).toBe(0)
  })

  it('promise 6: what is revoked is invalid in the list within a second, and our own reader says so too', async () => {
    const [dead, living] = [await takeToken(house, bot), await takeToken(house, bot)]
    const { idx, uri } = dead.status
    expect(await statusByHand(String((await listOf(uri)).body['text']), uri, idx)).toBe(0)
    const revoked = await house.ask('/oauth2/revoke', { as: bot.identity, form: { token: dead.text } })
    expect(revoked.status).toBe(200)
    const text = await eventually(
      async () => String((await listOf(uri)).body['text']),
      (jwt) => read(jwt, uri).statusAt(idx) === 1,
    )
    expect(await statusByHand(text, uri, idx)).toBe(1)
    expect(await statusByHand(text, uri, living.status.idx)).toBe(0)
  })

  let published = ''
  beforeAll(async () => {
    published = JSON.stringify(await keys())
  })
  const read = (jwt: string, uri: string) =>
    readStatusList(jwt, decodeJwks(published), { uri, now: instant(Date.now()) })

  it('SL-4 a list of the past is not to be had', async () => {
    const reply = await house.ask('/status/0?time=1797840000')
    expect([reply.status, reply.body['code']]).toEqual([501, 'STATUS_LIST_TIME_UNSUPPORTED'])
  })

  it.each(['/status/1', '/status/999999999999', '/status/x'])('%s was never begun', async (path) => {
    const reply = await house.ask(path)
    expect([reply.status, reply.body['code']]).toEqual([404, 'STATUS_LIST_UNKNOWN'])
  })
})
