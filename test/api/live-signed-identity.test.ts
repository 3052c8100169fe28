import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import {
  enroll,
  generateKeyPem,
  LiveIdentity,
  pemKeyOf,
  signerFromPem,
  trustOfJoinToken,
  type Identity,
  type IdentityKey,
} from '#client/index.ts'
import { SECOND } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import type { Signer } from '#kernel/signer.ts'
import { createReceiver, receiverTlsOptions, requireTask, staticTrust } from '#receiver/index.ts'
import { parseJoinToken } from '#wire/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { BILLING, TestHouse } from '../support/server.ts'

const means = { clock: new SystemClock(), random: new SystemRandom() }

let house: TestHouse
let service: Server
let url: string
let signatures = 0

/** As a token or TPM would hold it: it signs, and nobody can read it. */
function hardwareKey(): IdentityKey {
  const inside = signerFromPem(generateKeyPem())
  const signer: Signer = {
    algorithm: inside.algorithm,
    publicKey: inside.publicKey,
    sign: (message) => ((signatures += 1), inside.sign(message)),
  }
  return { kind: 'hardware', signer, files: { 'key.json': '{}' } }
}

async function enrolled(key?: IdentityKey): Promise<Identity> {
  const text = await house.joinToken('bot')
  return enroll({
    server: `https://localhost:${String(house.port)}`,
    trust: trustOfJoinToken(parseJoinToken(text)),
    evidence: { attestor: 'join_token', token: new Secret(text) },
    clock: means.clock,
    ...(key === undefined ? {} : { key }),
  })
}

beforeAll(async () => {
  house = await TestHouse.start()
  await house.register('bot')
  const own = await enrolled()
  const tls = { ...receiverTlsOptions(), cert: own.chainPem, key: pemKeyOf(own).reveal() }
  service = createServer(tls)
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  url = `https://127.0.0.1:${String((service.address() as AddressInfo).port)}`
  const receiver = createReceiver({
    audience: BILLING,
    url,
    issuer: 'https://id.example.org',
    trust: staticTrust(own.spiffeId.trustDomain, {
      bundle: own.bundleJson,
      jwks: JSON.stringify((await house.ask('/oauth2/jwks')).body),
    }),
    allow: ['spiffe://example.org/agent/bot'],
    clock: means.clock,
  })
  const read = requireTask(receiver, { actions: ['read'] })
  service.on('request', (request, response) => void read(request, response, () => response.end('read')))
})
afterAll(async () => {
  service.closeAllConnections()
  await new Promise((resolve) => service.close(resolve))
  await house.stop()
})

describe('an identity whose key cannot enter TLS', () => {
  it('keeps itself fresh, exchanges, narrows and is taken by a service, all by signatures of its key', async () => {
    const agent = new LiveIdentity(await enrolled(hardwareKey()), { ...means, accepts: () => true })
    const task = await agent.session.openTask({ authority: [{ type: 'task', resource: BILLING, actions: ['read'] }] })
    const token = await agent.exchange({ task: task.id, resource: BILLING })
    const { serial } = agent.identity
    await agent.renew()
    expect(agent.identity.serial).not.toBe(serial)
    const before = signatures
    expect((await agent.fetch(`${url}/invoices?all=1`, token)).status).toBe(200)
    expect((await agent.fetch(url, token, { method: 'POST' })).status).toBe(200)
    expect(signatures - before).toBe(2)
    const details = [{ type: 'task' as const, resource: BILLING, actions: ['read'], identifiers: ['inv_1'] }]
    const narrow = await agent.narrow({ from: token, resource: BILLING, authorizationDetails: details })
    expect(narrow.authorizationDetails[0]?.identifiers).toEqual(['inv_1'])
    await agent.close()
  })

  it('cannot use the token of another key, nor lend its own', async () => {
    const owner = new LiveIdentity(await enrolled(hardwareKey()), { ...means, accepts: () => true })
    const thief = new LiveIdentity(await enrolled(hardwareKey()), { ...means, accepts: () => true })
    const task = await owner.session.openTask({ authority: [{ type: 'task', resource: BILLING, actions: ['read'] }] })
    const token = await owner.exchange({ task: task.id, resource: BILLING })
    expect((await thief.fetch(url, token)).status).toBe(401)
    const onCertificate = new LiveIdentity(await enrolled(), { ...means, accepts: () => true })
    expect((await onCertificate.fetch(url, token)).status).toBe(401)
    await Promise.all([owner.close(), thief.close(), onCertificate.close()])
  })

  it('is of no use without a WIT-SVID, and does not pretend', async () => {
    const identity = { ...(await enrolled(hardwareKey())), witSvid: null }
    const live = (): Promise<LiveIdentity> => Promise.resolve().then(() => new LiveIdentity(identity, means))
    expect(await codeOfAsync(live)).toBe('KEY_IN_HARDWARE')
  })
})

const PATIENCE = { timeout: 25_000, interval: 50 }
const WIDEST = 5 * SECOND

/** One that looks every half second; `draw` says where it stands in every span, from 0 to 255. */
class Watched {
  readonly live: LiveIdentity
  readonly renewed: number[] = []
  trustedAt = Number.POSITIVE_INFINITY

  constructor(identity: Identity, draw: number) {
    this.live = new LiveIdentity(identity, {
      clock: means.clock,
      random: { bytes: (length) => (length === 1 ? Uint8Array.of(draw) : means.random.bytes(length)) },
      looksAtLeastEvery: SECOND / 2,
      renewed: () => this.renewed.push(means.clock.monotonic()),
      trusted: () => (this.trustedAt = Math.min(this.trustedAt, means.clock.monotonic())),
    })
  }

  get kid(): string {
    return decodeProtectedHeader(this.live.identity.witSvid?.reveal() ?? '').kid ?? ''
  }
}

async function taint(kind: string): Promise<void> {
  const { body } = await house.admin('/v1/authorities')
  const rows = body['items'] as readonly { readonly id: string; readonly kind: string; readonly state: string }[]
  const id = rows.find((row) => row.kind === kind && row.state === 'active')?.id ?? ''
  const json = { reason: 'a rehearsal', within: 600 }
  expect((await house.admin(`/v1/authorities/${id}/taint`, { json })).status).toBe(200)
}

const exchange = async (agent: LiveIdentity): Promise<unknown> => {
  const task = await agent.session.openTask({ authority: [{ type: 'task', resource: BILLING, actions: ['read'] }] })
  return agent.exchange({ task: task.id, resource: BILLING })
}

describe('a tainted key of tokens', () => {
  it('promise 8 makes who is known by a WIT-SVID renew at once, each at a moment of its own, and nobody else', async () => {
    const [first, last] = [
      new Watched(await enrolled(hardwareKey()), 0),
      new Watched(await enrolled(hardwareKey()), 255),
    ]
    const onCertificate = new Watched(await enrolled(), 0)
    const old = [first.kid, last.kid]
    await taint('wit-svid')
    await expect.poll(() => [first.renewed.length, last.renewed.length], PATIENCE).toEqual([1, 1])
    // Five seconds are the whole spread.
    expect((last.renewed[0] ?? 0) - last.trustedAt).toBeGreaterThan(WIDEST - SECOND / 10)
    for (const one of [first, last]) {
      expect(old).not.toContain(one.kid)
      expect(await codeOfAsync(() => exchange(one.live))).toBe('ACCEPTED')
    }
    await expect.poll(() => onCertificate.trustedAt, PATIENCE).toBeLessThan(Number.POSITIVE_INFINITY)
    expect(onCertificate.renewed).toEqual([])
    await Promise.all([first, last, onCertificate].map(({ live }) => live.close()))
  })

  it('promise 8 of JWT-SVIDs makes nobody renew: an agent has a new one made for each exchange', async () => {
    const agent = new Watched(await enrolled(hardwareKey()), 0)
    await taint('jwt-svid')
    expect(await codeOfAsync(() => exchange(agent.live))).toBe('ACCEPTED')
    await expect.poll(() => agent.trustedAt, PATIENCE).toBeLessThan(Number.POSITIVE_INFINITY)
    expect(await codeOfAsync(() => exchange(agent.live))).toBe('ACCEPTED')
    expect(agent.renewed).toEqual([])
    await agent.live.close()
  })
})

describe('a WIT-SVID that is refused because its key is trusted no more', () => {
  it('makes its holder look at the bundle, and renew, long before it would have looked by itself', async () => {
    const identity = await enrolled(hardwareKey())
    const renewed: string[] = []
    const agent = new LiveIdentity(identity, { ...means, renewed: ({ serial }) => renewed.push(serial) })
    const task = await agent.session.openTask({ authority: [{ type: 'task', resource: BILLING, actions: ['read'] }] })
    await taint('wit-svid')
    expect(await codeOfAsync(() => agent.exchange({ task: task.id, resource: BILLING }))).toBe('WIT_KEY_UNKNOWN')
    await expect.poll(() => renewed.length, PATIENCE).toBe(1)
    expect(await codeOfAsync(() => agent.exchange({ task: task.id, resource: BILLING }))).toBe('ACCEPTED')
    await agent.close()
  })
})
