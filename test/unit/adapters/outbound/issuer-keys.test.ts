import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FRESH, issuerKeys, Outbound, PAUSE, STALE, type ForeignIssuer } from '#adapters/outbound/index.ts'
import type { IssuerKeys } from '#attestation/index.ts'
import { decodeJwks, jwtError, type KeySet } from '#jwt/index.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { codeOfAsync } from '../../../support/code-of.ts'
import { DISCOVERY_PATH, TestIssuer, toLoopback } from '../../../support/issuer.ts'

const EC_KEY = {
  kty: 'EC',
  crv: 'P-256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
}

let issuer: TestIssuer
let clock: FakeClock
let keys: IssuerKeys
beforeEach(async () => {
  issuer = await TestIssuer.start()
  clock = new FakeClock()
  keys = keysOf({})
})
afterEach(() => issuer.close())

function keysOf(changes: Partial<ForeignIssuer>): IssuerKeys {
  const outbound = new Outbound({ resolve: toLoopback, limits: { time: 500 } })
  return issuerKeys([issuer.configured(changes)], { outbound, monotonic: () => clock.monotonic() })
}

/** As a token would: needs the key of this name. */
function needing(kid: string) {
  return (set: KeySet): string => {
    if (set.find(kid) === undefined) throw jwtError('JWT_KEY_UNKNOWN')
    return kid
  }
}

const kid = () => issuer.keys[0]?.kid ?? ''
const attempt = (name = kid(), from = keys) => codeOfAsync(() => from.verifyWith('ci', needing(name)))

describe('the keys of a foreign issuer', () => {
  it('are fetched when they are first needed, once for any number of callers', async () => {
    expect(issuer.fetches).toBe(0)
    const codes = await Promise.all(Array.from({ length: 20 }, () => attempt()))
    expect(new Set(codes)).toEqual(new Set(['ACCEPTED']))
    expect(issuer.fetches).toBe(1)
  })

  it('are kept for five minutes', async () => {
    await attempt()
    clock.advance(FRESH - 1)
    await attempt()
    expect(issuer.fetches).toBe(1)
    clock.advance(1)
    await attempt()
    expect(issuer.fetches).toBe(2)
  })

  it('are fetched again for a key that is new, but not twice within ten seconds', async () => {
    await attempt()
    clock.advance(PAUSE)
    const added = await issuer.addKey('ES256')
    expect(await attempt(added.kid)).toBe('ACCEPTED')
    expect(issuer.fetches).toBe(2)
    for (let index = 0; index < 30; index++) expect(await attempt(`forged-${String(index)}`)).toBe('JWT_KEY_UNKNOWN')
    expect(issuer.fetches).toBe(2)
    clock.advance(PAUSE)
    expect(await attempt('forged')).toBe('JWT_KEY_UNKNOWN')
    expect(issuer.fetches).toBe(3)
  })

  it('no longer hold one that was rotated away, five minutes later at most', async () => {
    const old = kid()
    await attempt()
    await issuer.rotate()
    clock.advance(FRESH)
    expect(await attempt(old)).toBe('JWT_KEY_UNKNOWN')
    expect(await attempt()).toBe('ACCEPTED')
  })

  it('serve for an hour while the issuer is away, and then nothing does', async () => {
    const known = kid()
    await attempt()
    issuer.say(DISCOVERY_PATH, {}, 503)
    clock.advance(STALE - 1)
    expect(await attempt(known)).toBe('ACCEPTED')
    clock.advance(1)
    expect(await attempt(known)).toBe('OUTBOUND_REFUSED')
    issuer.answers.clear()
    expect(await attempt(known)).toBe('OUTBOUND_REFUSED')
    clock.advance(PAUSE)
    expect(await attempt(known)).toBe('ACCEPTED')
  })

  it('are not asked for when they are pinned', async () => {
    const pinned = keysOf({ keys: decodeJwks(JSON.stringify(issuer.jwks)) })
    expect(await attempt(kid(), pinned)).toBe('ACCEPTED')
    expect(await attempt('other', pinned)).toBe('JWT_KEY_UNKNOWN')
    expect(issuer.asked).toEqual([])
  })

  it('are of configured issuers only', async () => {
    expect(await codeOfAsync(() => keys.verifyWith('other', () => null))).toBe('ISSUER_UNKNOWN')
  })
})

describe('discovery is refused', () => {
  it('when the document is that of another issuer', async () => {
    issuer.say(DISCOVERY_PATH, { issuer: `${issuer.issuer}/`, jwks_uri: `${issuer.issuer}/jwks` })
    expect(await attempt()).toBe('ISSUER_MISMATCH')
    expect(issuer.asked).not.toContain('/jwks')
  })

  it.each([[[]], [{}], [{ issuer: 1, jwks_uri: 2 }], [null]])(
    'when it does not say where the keys are: %j',
    async (body) => {
      issuer.say(DISCOVERY_PATH, body)
      expect(await attempt()).toBe('ISSUER_DISCOVERY_INVALID')
    },
  )

  it.each(['http://idp.example.test/jwks', 'file:///etc/passwd', 'x'])('when it leads to %s', async (address) => {
    issuer.say(DISCOVERY_PATH, { issuer: issuer.issuer, jwks_uri: address })
    expect(await attempt()).toBe('OUTBOUND_URL_FORBIDDEN')
  })

  it('when it leads to a private address, which is not allowed', async () => {
    const outbound = new Outbound({ resolve: () => Promise.resolve([{ address: '169.254.169.254', family: 4 }]) })
    const guarded = issuerKeys([issuer.configured()], { outbound, monotonic: () => clock.monotonic() })
    expect(await attempt(kid(), guarded)).toBe('OUTBOUND_ADDRESS_FORBIDDEN')
    expect(await attempt(kid(), keysOf({ allowPrivate: false }))).toBe('OUTBOUND_ADDRESS_FORBIDDEN')
    expect(issuer.asked).toEqual([])
  })

  it('when it redirects, or is slow', async () => {
    issuer.answers.set(DISCOVERY_PATH, (_request, response) => {
      response.writeHead(302, { location: '/elsewhere' }).end()
    })
    expect(await attempt()).toBe('OUTBOUND_REDIRECTED')
    expect(issuer.asked).toEqual([DISCOVERY_PATH])
    issuer.answers.set(DISCOVERY_PATH, () => undefined)
    clock.advance(PAUSE)
    expect(await attempt()).toBe('OUTBOUND_TOO_SLOW')
  })

  it.each([
    ['is no key set', { keys: 'x' }],
    ['holds a private key', { keys: [{ kty: 'RSA', kid: 'a', n: 'AQAB', e: 'AQAB', d: 'AQAB' }] }],
    [
      'holds an RSA key of less than 2048 bits',
      { keys: [{ kty: 'RSA', kid: 'a', e: 'AQAB', n: `wQ${'A'.repeat(160)}` }] },
    ],
    ['names a key twice', { keys: [1, 2].map(() => ({ ...EC_KEY, kid: 'a' })) }],
  ])('when what it leads to %s', async (_what, body) => {
    issuer.say('/jwks', body)
    expect(await attempt()).toBe('ISSUER_KEYS_INVALID')
  })
})
