import type { Caller, Peer, ShownTokens } from '#authentication/index.ts'
import { retireAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { authenticate, authenticateForRenewal } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import { issueJwtSvid } from '#flows/issue-jwt-svid.ts'
import { openTask } from '#flows/open-task.ts'
import { renew } from '#flows/renew.ts'
import type { SvidAnswer } from '#flows/svid-answer.ts'
import { toBase64, toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { DAY, HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import { cutoffKey, FOR_EVER } from '#revocation/index.ts'
import { createCsr } from '#x509/index.ts'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, importJWK, jwtVerify, SignJWT, type JWK } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import { NO_USERS } from '../fakes/users.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { hashOf, rawWpt, type RawProof } from '../support/dpop.ts'
import { enrollNew, joinWith, newAgent, newToken, newWorld, trail, type World } from '../support/enrollment.ts'
import { newTestKey, type TestKey } from '../support/keys.ts'
import { rawToken } from '../support/tokens.ts'

const uri = 'https://id.example.org/v1/jwt-svid'

let world: World
let key: TestKey
let answer: SvidAnswer
let wit: string
beforeEach(async () => {
  world = await newWorld()
  await newAgent(world, { renewGrace: 2 * HOUR })
  key = newTestKey()
  answer = await join(key)
  wit = witOf(answer)
})

async function join(by: TestKey): Promise<SvidAnswer> {
  const csr = toBase64(await createCsr(by.signer))
  const asked = { ...joinWith(await newToken(world), csr), wit: true }
  return enroll(world.enrolling, world.anonymous, asked)
}

function witOf({ svid }: SvidAnswer): string {
  if (svid.witSvid === null) throw new TypeError('no WIT-SVID')
  return svid.witSvid
}

function wpt(change: RawProof = {}, token = wit): string {
  return rawWpt({ wit: token, uri, now: world.clock.now() }, { key, ...change })
}

function peer(shown: Partial<ShownTokens> = {}, chain: readonly Uint8Array[] = []): Peer {
  const none = { authorization: undefined, transactionToken: undefined }
  const tokens = { identities: [wit], proofs: [wpt()], url: uri, ...none, ...shown }
  return { kind: 'tls', chain, address: '192.0.2.1', shown: tokens }
}

const ask = (shown?: Partial<ShownTokens>): Promise<Caller> => authenticate(world.ports, peer(shown))
const outcome = (shown?: Partial<ShownTokens>): Promise<string> => codeOfAsync(() => ask(shown))
const decodeHeader = (token: string): object =>
  JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as object
const payloadOf = (token: string): object => ({ ...decodeJwt<Record<string, unknown>>(token) })
/** An identity token that we never issued, as somebody else would write it. */
const forged = (header: object, claims: object, by = newTestKey()): string =>
  rawToken({ ...decodeHeader(wit), ...header }, { ...payloadOf(wit), ...claims }, by)

describe('the WIT-SVID beside a certificate', () => {
  it('W-1 W-3 W-4 W-5 WI-1 says who it is, until when, with which key, and nothing more', () => {
    const active = world.authorities.current().active('wit-svid')
    expect(decodeProtectedHeader(wit)).toEqual({ alg: 'ES256', typ: 'wit+jwt', kid: active.kid })
    expect(decodeJwt(wit)).toEqual({
      sub: answer.svid.spiffeId,
      iat: Math.floor(world.clock.now() / 1000),
      nbf: Math.floor(world.clock.now() / 1000),
      exp: answer.svid.notAfter / 1000,
      jti: decodeJwt(wit).jti,
      cnf: { jwk: { ...key.jwk, alg: 'ES256' } },
      certificate: answer.svid.serial,
    })
  })

  it('W-9 verifies by jose with the wit-svid key of the bundle, whose key ids are all different', async () => {
    const bundle = world.authorities.current().bundle()
    const keys = bundle.tokenAuthorities('wit-svid').map(({ kid, key: jwk }) => ({ ...jwk, kid }))
    const { payload } = await jwtVerify(wit, createLocalJWKSet({ keys }), {
      typ: 'wit+jwt',
      currentDate: new Date(world.clock.now()),
    })
    expect(payload.sub).toBe(answer.svid.spiffeId)
    const kids = (['jwt-svid', 'wit-svid'] as const).flatMap((use) =>
      bundle.tokenAuthorities(use).map(({ kid }) => kid),
    )
    expect(new Set(kids).size).toBe(kids.length)
  })

  it('promise 1 is committed to by the very leaf of its certificate, at the cost of no commit', async () => {
    const since = world.store.leaves.length
    const next = await join(newTestKey())
    const steps = trail(world, since)
    expect(steps).toEqual(['join-token.added permit', 'certificate.intent permit', 'certificate.issued permit'])
    const intent = world.store.leaves.find(({ draft }) => draft.object === `certificate:${next.svid.serial}`)
    const [header = '', claims = ''] = witOf(next).split('.')
    const payload = `sha-256:${toHex(sha256(Buffer.from(`${header}.${claims}`)))}`
    expect(intent?.draft.commitments['wit']).toBe(payload)
  })

  it('is not issued unless it is asked for', async () => {
    expect((await enrollNew(world)).answer.svid.witSvid).toBeNull()
  })

  it('promise 14 comes again with the certificate when the answer was lost, recorded on its own', async () => {
    const csr = toBase64(await createCsr(newTestKey().signer))
    const asked = { ...joinWith(await newToken(world), csr), wit: true }
    const once = await enroll(world.enrolling, world.anonymous, asked)
    const since = world.store.leaves.length
    const again = await enroll(world.enrolling, world.anonymous, asked)
    expect(again.svid.serial).toBe(once.svid.serial)
    expect(decodeJwt(witOf(again))['certificate']).toBe(once.svid.serial)
    expect(trail(world, since)).toEqual(['token.issued permit'])
  })

  it.each(['ES384', 'RS256'] as const)('names the algorithm of a key for %s', async (algorithm) => {
    const { cnf } = decodeJwt<{ cnf: { jwk: JWK } }>(witOf(await join(newTestKey(algorithm))))
    expect(cnf.jwk.alg).toBe(algorithm)
  })
})

describe('a caller that signs its requests', () => {
  it('SP-4 is the same as over a connection with its certificate', async () => {
    const signed = (await ask()).requireAgent()
    const connected = await authenticate(world.ports, { kind: 'tls', chain: [answer.svid.certificate], address: '' })
    expect(signed).toEqual(connected.requireAgent())
    expect((await ask()).method).toBe('wit')
    expect(connected.method).toBe('certificate')
  })

  it('WI-3 is known by a proof that jose has made', async () => {
    const jwk = await importJWK(key.privateKey.export({ format: 'jwk' }) as JWK, 'ES256')
    const proof = await new SignJWT({ aud: uri, jti: 'x', wth: hashOf(wit) })
      .setProtectedHeader({ typ: 'wpt+jwt', alg: 'ES256' })
      .setExpirationTime(Math.floor(world.clock.now() / 1000) + 30)
      .sign(jwk)
    expect(await outcome({ proofs: [proof] })).toBe('ACCEPTED')
  })

  it('opens tasks, gets JWT-SVIDs, and renews into another key, whose token comes with it', async () => {
    const authority = [{ type: 'task', resource: 'https://nowhere.example.org', actions: ['x'] }]
    const wish = {
      authority,
      expiresIn: null,
      deadline: null,
      maxDepth: null,
      maxDerivations: null,
      user: null,
      orchestrated: null,
    }
    const ports = { ...world.ports, users: NO_USERS }
    expect(await codeOfAsync(async () => openTask(ports, await ask(), wish))).toBe('TARGET_UNKNOWN')
    const own = await issueJwtSvid(world.ports, await ask(), { audience: ['https://id.example.org'] })
    expect(own.spiffeId).toBe(answer.svid.spiffeId)
    expect(world.store.leaves.at(-1)?.draft.commitments['authentication']).toBe('wit')
    const next = newTestKey()
    const csr = toBase64(await createCsr(next.signer))
    const caller = await authenticateForRenewal(world.ports, peer())
    const renewed = await renew(world.ports, caller, { csr, wit: true })
    expect(renewed.instance).toBe(answer.instance)
    expect(world.store.leaves.at(-2)?.draft.commitments['authentication']).toBe('wit')
    const proofs = [wpt({ key: next }, witOf(renewed))]
    expect((await ask({ identities: [witOf(renewed)], proofs })).name).toBe(answer.svid.spiffeId)
  })

  it('promise 14 may renew within the grace after the end, and do nothing else', async () => {
    world.clock.advance(HOUR + MINUTE)
    expect(await outcome()).toBe('WIT_EXPIRED')
    const caller = await authenticateForRenewal(world.ports, peer())
    expect(caller.expired).toBe(true)
    const csr = toBase64(await createCsr(newTestKey().signer))
    expect(await codeOfAsync(() => renew(world.ports, caller, { csr, wit: true }))).toBe('ACCEPTED')
    world.clock.advance(2 * HOUR)
    expect(await codeOfAsync(() => authenticateForRenewal(world.ports, peer()))).toBe('WIT_EXPIRED')
  })
})

describe('what is refused of an identity token', () => {
  it('W-6 W-8 WI-1 one without a proof, and a proof without one', async () => {
    expect(await outcome({ proofs: [] })).toBe('WORKLOAD_PROOF_MISSING')
    expect(await outcome({ identities: [] })).toBe('WORKLOAD_IDENTITY_MISSING')
  })

  it('WI-2 more than one of either', async () => {
    expect(await outcome({ identities: [wit, wit] })).toBe('WORKLOAD_HEADER_MULTIPLE')
    expect(await outcome({ proofs: [wpt(), wpt()] })).toBe('WORKLOAD_HEADER_MULTIPLE')
  })

  it.each(['Bearer', 'DPoP', 'WIT'])('W-7 WI-1 one in the Authorization header, as %s', async (scheme) => {
    const authorization = `${scheme} ${wit}`
    expect(await outcome({ authorization, identities: [], proofs: [] })).toBe('WIT_IN_AUTHORIZATION')
    expect(await outcome({ authorization })).toBe('WIT_IN_AUTHORIZATION')
  })

  it('WI-2 one with a forged issuer, which is never looked at', async () => {
    const iss = 'https://id.example.org'
    expect(await outcome({ identities: [forged({}, { iss })] })).toBe('WIT_SIGNATURE_INVALID')
    expect(await outcome({ identities: [forged({ kid: 'other' }, { iss })] })).toBe('WIT_KEY_UNKNOWN')
  })

  it('SP-3 WI-2 of another trust domain', async () => {
    const foreign = await newWorld()
    const theirs = foreign.authorities.current().active('wit-svid')
    const claims = { sub: 'spiffe://other.example.org/agent/invoice-bot/i-1' }
    const identities = [forged({ kid: theirs.kid }, claims)]
    expect(await outcome({ identities })).toBe('WIT_TRUST_DOMAIN_WRONG')
  })

  it.each([
    ['W-1', { typ: 'JWT' }, {}, 'WIT_TYPE_WRONG'],
    ['W-1', { alg: 'HS256' }, {}, 'WIT_MALFORMED'],
    ['W-1', { kid: undefined }, {}, 'WIT_MALFORMED'],
    ['W-2', { crit: ['exp'] }, {}, 'WIT_MALFORMED'],
    ['W-3', {}, { cnf: undefined }, 'WIT_CLAIM_INVALID'],
    ['W-3', {}, { cnf: { jwk: {} } }, 'WIT_CLAIM_INVALID'],
    ['W-3', {}, { exp: undefined }, 'WIT_CLAIM_INVALID'],
    ['W-3', {}, { sub: 'bot' }, 'WIT_CLAIM_INVALID'],
    ['W-4', {}, { aud: 'x' }, 'WIT_CLAIM_INVALID'],
  ] as const)('%s one with header %o and claims %o', async (_row, header, claims, code) => {
    expect(await outcome({ identities: [forged(header, claims)] })).toBe(code)
  })

  it('one that is text', async () => {
    expect(await outcome({ identities: ['wit'] })).toBe('WIT_MALFORMED')
  })

  it('W-3 one that has expired', async () => {
    world.clock.advance(HOUR)
    expect(await outcome()).toBe('WIT_EXPIRED')
  })

  it('J-1 a JWT-SVID in its place, though it is ours', async () => {
    const { token } = await issueJwtSvid(world.ports, await ask(), { audience: ['https://id.example.org'] })
    expect(await outcome({ identities: [token] })).toBe('WIT_TYPE_WRONG')
  })
})

describe('what revoking ends', () => {
  const state = { revokedAt: null, reason: 'test', before: FOR_EVER, createdBy: 'test', createdAt: FOR_EVER }

  it.each(['instance', 'lineage', 'spki'] as const)('promise 3 the %s of an identity token', async (kind) => {
    const row = world.store.all('Certificate').find(({ serial }) => serial === answer.svid.serial)
    const value = { instance: row?.instance, lineage: row?.lineage, spki: row?.spkiHash }[kind] ?? ''
    const { reason, before, createdBy, createdAt } = state
    world.store.seed('Cutoff', { key: cutoffKey(kind, value), kind, value, reason, before, createdBy, createdAt })
    expect(await outcome()).toBe('WIT_REVOKED')
  })

  it('promise 3 the certificate of an identity token, and its agent', async () => {
    await suspendAgent(world.ports, world.admin, { name: 'invoice-bot' })
    expect(await outcome()).toBe('ACCEPTED')
    await retireAgent(world.ports, world.admin, { name: 'invoice-bot' })
    expect(await outcome()).toBe('WIT_REVOKED')
  })
})

describe('what is refused of a proof', () => {
  it.each([
    ['typ', { header: { typ: 'dpop+jwt' } }, 'WPT_TYPE_WRONG'],
    ['alg', { header: { alg: 'RS256' } }, 'WPT_ALGORITHM_WRONG'],
    ['alg none', { header: { alg: 'none' } }, 'WPT_ALGORITHM_WRONG'],
    ['a header of its own', { header: { kid: 'x' } }, 'WPT_MALFORMED'],
    ['another key', { key: newTestKey() }, 'WPT_SIGNATURE_INVALID'],
    ['another URL', { claims: { aud: 'https://id.example.org/v1/renew' } }, 'WPT_AUDIENCE_WRONG'],
    ['a query', { claims: { aud: `${uri}?x=1` } }, 'WPT_AUDIENCE_WRONG'],
    ['two audiences', { claims: { aud: [uri, uri] } }, 'WPT_CLAIM_INVALID'],
    ['no audience', { claims: { aud: undefined } }, 'WPT_CLAIM_INVALID'],
    ['no exp', { claims: { exp: undefined } }, 'WPT_CLAIM_INVALID'],
    ['no jti', { claims: { jti: undefined } }, 'WPT_CLAIM_INVALID'],
    ['no wth', { claims: { wth: undefined } }, 'WPT_CLAIM_INVALID'],
    ['the hash of another identity', { claims: { wth: hashOf('x') } }, 'WPT_IDENTITY_HASH_WRONG'],
    ['the hash of a token that is not there', { claims: { ath: hashOf('x') } }, 'WPT_ACCESS_TOKEN_HASH_WRONG'],
    ['a transaction token not there', { claims: { tth: hashOf('x') } }, 'WPT_TRANSACTION_TOKEN_HASH_WRONG'],
    ['a token of another kind', { claims: { oth: { x: hashOf('x') } } }, 'WPT_OTHER_TOKEN_UNKNOWN'],
  ] as const)('WI-3 %s', async (_name, change, code) => {
    expect(await outcome({ proofs: [wpt(change)] })).toBe(code)
  })

  it('WI-3 one that has expired, and one that lives for long', async () => {
    const now = Math.floor(world.clock.now() / SECOND)
    expect(await outcome({ proofs: [wpt({ claims: { exp: now } })] })).toBe('WPT_EXPIRED')
    expect(await outcome({ proofs: [wpt({ claims: { exp: now + 61 } })] })).toBe('WPT_LIFETIME_TOO_LONG')
    expect(await outcome({ proofs: [wpt({ claims: { exp: now + 60 } })] })).toBe('ACCEPTED')
  })

  it('WI-3 one that says nothing of the tokens in the request', async () => {
    const [authorization, transactionToken] = ['DPoP abc', 'def']
    expect(await outcome({ authorization })).toBe('WPT_ACCESS_TOKEN_HASH_WRONG')
    expect(await outcome({ transactionToken })).toBe('WPT_TRANSACTION_TOKEN_HASH_WRONG')
    const claims = { ath: hashOf('abc'), tth: hashOf('def') }
    expect(await outcome({ authorization, transactionToken, proofs: [wpt({ claims })] })).toBe('ACCEPTED')
  })

  it('DP-4 WI-3 one that was used: of a hundred requests at once one comes in', async () => {
    const proofs = [wpt()]
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcome({ proofs })))
    expect(outcomes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(outcomes.filter((code) => code === 'WPT_REPLAYED')).toHaveLength(99)
    world.clock.advance(DAY)
    await world.store.purge(world.clock.now())
    expect(world.store.all('Replay').filter(({ key: used }) => used.startsWith('wpt:'))).toEqual([])
  })

  it('and whoever is refused has used nothing up', async () => {
    const proofs = [wpt({ claims: { aud: 'x' } })]
    await outcome({ proofs })
    expect(world.store.all('Replay').filter(({ key: used }) => used.startsWith('wpt:'))).toEqual([])
  })
})

describe('a certificate on the connection', () => {
  it('WI-5 stands beside a token of the same instance, and against any other nobody comes in', async () => {
    const own = await authenticate(world.ports, peer({}, [answer.svid.certificate]))
    expect(own.method).toBe('certificate')
    const other = await enrollNew(world)
    const mixed = () => authenticate(world.ports, peer({}, [other.answer.svid.certificate]))
    expect(await codeOfAsync(mixed)).toBe('CREDENTIALS_DIFFER')
  })

  it('WI-5 is not helped by a token when it is not good', async () => {
    const foreign = await enrollNew(await foreignWorld())
    const mixed = () => authenticate(world.ports, peer({}, [foreign.answer.svid.certificate]))
    expect(await codeOfAsync(mixed)).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
  })
})

async function foreignWorld(): Promise<World> {
  const foreign = await newWorld()
  await newAgent(foreign)
  return foreign
}
