import { beforeEach, describe, expect, it } from 'vitest'
import { toNumericDate } from '#kernel/instant.ts'
import { ACCESS_TOKEN_TYPE } from '#wire/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { newTestKey } from '../support/keys.ts'
import { BILLING, ISSUER, TaskHouse, type Copy } from '../support/task-house.ts'
import { rawToken } from '../support/tokens.ts'

let house: TaskHouse
let bot: Copy
let task: string

beforeEach(async () => {
  house = await TaskHouse.build()
  bot = house.addAgent('invoice-bot')
  task = (await house.open(bot)).id
})

describe('what it refuses about the proof', () => {
  const refused = async (subjectToken: string, change: object = {}): Promise<string> => {
    const code = await codeOfAsync(() => house.start(bot, task, { subjectToken, ...change }))
    expect(house.store.all('TaskToken')).toEqual([])
    return code
  }

  it('refuses a JWT-SVID for two audiences, or for another one', async () => {
    expect(await refused(await house.svid(bot, { aud: [ISSUER, BILLING] }))).toBe('SUBJECT_TOKEN_INVALID')
    expect(await refused(await house.svid(bot, { aud: `${ISSUER}/oauth2/token` }))).toBe('SUBJECT_TOKEN_INVALID')
  })

  it('refuses the JWT-SVID of another copy', async () => {
    const other = house.addCopy('agt_invoice-bot')
    expect(await refused(await house.svid(other))).toBe('SUBJECT_TOKEN_NOT_YOURS')
  })

  it('TE-4 TE-5 refuses one that is expired, too old, from the future, or of another issuer', async () => {
    const now = toNumericDate(house.clock.now())
    expect(await refused(await house.svid(bot, { exp: now - 10 }))).toBe('SUBJECT_TOKEN_INVALID')
    expect(await refused(await house.svid(bot, { exp: now }))).toBe('SUBJECT_TOKEN_TOO_OLD')
    expect(await refused(await house.svid(bot, { iat: now - 301, exp: now + 60 }))).toBe('SUBJECT_TOKEN_TOO_OLD')
    expect(await refused(await house.svid(bot, { iat: now + 60, exp: now + 90 }))).toBe('SUBJECT_TOKEN_INVALID')
    expect(await refused(await house.svid(bot, { iss: ISSUER }))).toBe('SUBJECT_TOKEN_INVALID')
  })

  it('TE-4 refuses one without jti or without iat', async () => {
    const { kid } = house.keys['jwt-svid']
    const now = toNumericDate(house.clock.now())
    const claims = { iss: `${ISSUER}/spiffe`, sub: bot.spiffeId, aud: ISSUER, exp: now + 60 }
    const header = { alg: 'ES256', typ: 'JWT', kid }
    const withoutJti = rawToken(header, { ...claims, iat: now }, house.keys['jwt-svid'])
    const withoutIat = rawToken(header, { ...claims, jti: 'x' }, house.keys['jwt-svid'])
    expect(await refused(withoutJti)).toBe('SUBJECT_TOKEN_INVALID')
    expect(await refused(withoutIat)).toBe('SUBJECT_TOKEN_INVALID')
  })

  it('TE-4 refuses one that another key has signed, or the key of another kind', async () => {
    const [header = '', payload = ''] = (await house.svid(bot)).split('.')
    const parse = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
    const forged = rawToken(parse(header), parse(payload), newTestKey())
    expect(await refused(forged)).toBe('SUBJECT_TOKEN_INVALID')
    const key = house.keys['access-token']
    const crossed = rawToken({ ...parse(header), kid: key.kid }, parse(payload), key)
    expect(await refused(crossed)).toBe('SUBJECT_TOKEN_INVALID')
  })

  it.each([
    'at+jwt',
    'wit+jwt',
    'wpt+jwt',
    'dpop+jwt',
    'secevent+jwt',
    'statuslist+jwt',
    'txntoken+jwt',
    'oauth-id-jag+jwt',
    'client-authentication+jwt',
    'token-introspection+jwt',
  ])('TE-4 refuses a token of type %s in the place of a JWT-SVID, whatever it is declared to be', async (typ) => {
    const key = house.keys['jwt-svid']
    const [, payload = ''] = (await house.svid(bot)).split('.')
    const claims = Buffer.from(payload, 'base64url').toString()
    const token = rawToken({ alg: 'ES256', typ, kid: key.kid }, claims, key)
    expect(['SUBJECT_TOKEN_INVALID', 'SUBJECT_TOKEN_TYPE_UNSUPPORTED']).toContain(await refused(token))
    expect(await refused(token, { subjectTokenType: ACCESS_TOKEN_TYPE })).toMatch(/^SUBJECT_TOKEN_/)
  })

  it('TE-4 refuses each kind in the slot of the other', async () => {
    const svid = await house.svid(bot)
    expect(await refused(svid, { subjectTokenType: ACCESS_TOKEN_TYPE })).toBe('SUBJECT_TOKEN_TYPE_UNSUPPORTED')
    const idToken = { subjectTokenType: 'urn:ietf:params:oauth:token-type:id_token' }
    expect(await refused(svid, idToken)).toBe('SUBJECT_TOKEN_TYPE_UNSUPPORTED')
    const { accessToken } = await house.start(bot, task)
    const code = await codeOfAsync(() => house.start(bot, task, { subjectToken: accessToken }))
    expect(code).toBe('SUBJECT_TOKEN_TYPE_UNSUPPORTED')
  })

  it.each(['', '.', '..', 'x.y.z', 'a.b', 'eyJhbGciOiJub25lIn0.e30.'])('refuses %j', async (token) => {
    expect(await refused(token)).toMatch(/^(SUBJECT_TOKEN_INVALID|TOKEN_PARAMETER_MISSING)$/)
  })

  it('TE-10 enforces may_act wherever it stands', async () => {
    const other = { may_act: { sub: 'spiffe://example.org/agent/other/i-1' } }
    expect(await refused(await house.svid(bot, other))).toBe('MAY_ACT_REFUSED')
    expect(await refused(await house.svid(bot, { may_act: null }))).toBe('MAY_ACT_REFUSED')
    expect(await refused(await house.svid(bot, { may_act: { sub: bot.spiffeId, x: 1 } }))).toBe('MAY_ACT_REFUSED')
    const own = await house.svid(bot, { may_act: { sub: bot.spiffeId } })
    expect(await codeOfAsync(() => house.start(bot, task, { subjectToken: own }))).toBe('ACCEPTED')
  })

  it('promise 3: a JWT-SVID is good for one exchange', async () => {
    const subjectToken = await house.svid(bot)
    await house.start(bot, task, { subjectToken })
    const again = await codeOfAsync(() => house.start(bot, task, { subjectToken }))
    expect(again).toBe('SUBJECT_TOKEN_REPLAYED')
    expect(house.leaves().at(-1)).toBe('token.issued deny:SUBJECT_TOKEN_REPLAYED')
    expect(house.store.all('TaskToken')).toHaveLength(1)
  })

  it('promise 3: of a hundred exchanges at once with one JWT-SVID exactly one wins', async () => {
    const subjectToken = await house.svid(bot)
    const codes = await Promise.all(
      Array.from({ length: 100 }, () => codeOfAsync(() => house.start(bot, task, { subjectToken }))),
    )
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(codes.filter((code) => code === 'SUBJECT_TOKEN_REPLAYED')).toHaveLength(99)
    expect(house.store.all('TaskToken')).toHaveLength(1)
    const denials = house.leaves().filter((leaf) => leaf === 'token.issued deny:SUBJECT_TOKEN_REPLAYED')
    expect(denials).toHaveLength(99)
  })
})
